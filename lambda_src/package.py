"""Builds the zip that Terraform deploys: the same bytes from the same source, on any machine.

Sorted entries, fixed times and modes, and no compression (whose bytes depend on the version of
zlib). Docstrings stay here: they are half of the source, and no function reads them; each line
keeps its number, so that a traceback from AWS fits the source.

``python lambda_src/package.py`` writes ``lambda_src/dist/firmware_retry.zip``; with ``--check`` it
only compares, and exits with 1 when the zip is not what the source gives.
"""

import ast
import io
import sys
import zipfile
from pathlib import Path

SOURCE = Path(__file__).parent / "firmware_retry"
TARGET = Path(__file__).parent / "dist" / "firmware_retry.zip"

# The earliest that a zip can say.
_TIME = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_REGULAR_FILE_0644 = 0o100644 << 16


def build(source: Path = SOURCE) -> bytes:
    """Return the zip of a package's Python files; entries start with the package's name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        files = {path.relative_to(source.parent).as_posix(): path for path in source.rglob("*.py")}
        for name, path in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.create_system = _UNIX
            entry.external_attr = _REGULAR_FILE_0644
            archive.writestr(entry, without_docstrings(path.read_bytes()))
    return buffer.getvalue()


def without_docstrings(source: bytes) -> bytes:
    """Python source with an empty text, and its newlines, for each text that is a statement."""
    lines = source.splitlines(keepends=True)
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            continue
        if isinstance(node.value.value, str) and node.end_lineno and node.end_col_offset:
            first, last = node.lineno - 1, node.end_lineno - 1
            rest = lines[last][node.end_col_offset :]
            lines[first] = lines[first][: node.col_offset] + b'""' + rest
            lines[first + 1 : last + 1] = [b"\n"] * (last - first)
    return b"".join(lines)


def main(arguments: list[str]) -> int:
    """Write the zip or, with ``--check``, compare it, and return the exit status."""
    content = build()
    if "--check" in arguments:
        if TARGET.is_file() and TARGET.read_bytes() == content:
            return 0
        print(f"{TARGET} is not what the source gives: run `make package` and commit it")
        return 1
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_bytes(content)
    print(f"{TARGET}: {len(content)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
