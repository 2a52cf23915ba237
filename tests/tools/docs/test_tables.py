"""How the tables of inputs and outputs are written."""

from pathlib import Path

from docs import tables


def test_a_description_may_be_a_heredoc(tmp_path: Path) -> None:
    (tmp_path / "variables.tf").write_text("""
variable "wait" {
  description = <<-EOT
    Seconds to wait,
    as "many" as | there are.
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
    row = r'| `wait` | Seconds to wait, as "many" as \| there are. | `number` | required |'
    assert row in written
    assert "| `waited` | How long it was. |" in written
