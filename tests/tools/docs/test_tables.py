"""How the tables of inputs and outputs are written."""

from pathlib import Path

from docs import tables


def test_heredoc_description_is_one_line_and_one_per_list_item(tmp_path: Path) -> None:
    (tmp_path / "variables.tf").write_text("""
variable "wait" {
  description = <<-EOT
    Seconds to wait,
    as "many" as | there are.
    - `first`: before
      the step
    - `last`: a < b
  EOT
  type        = number
}
""")
    (tmp_path / "outputs.tf").write_text("""
output "waited" {
  description = <<EOT
How long
it was.
EOT
  value       = 1
}
""")
    written = tables.tables(tmp_path)
    row = (
        r'| `wait` | Seconds to wait, as "many" as \| there are.<br>'
        r"- `first`: before the step<br>- `last`: a \< b | `number` | required |"
    )
    assert row in written
    assert "| `waited` | How long it was. |" in written
