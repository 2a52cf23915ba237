"""Extract the timeline from the demo's page as a self-contained picture.

``python -m docs.timeline PAGE`` writes ``docs/images/timeline.svg`` from a page of ``make demo``.
"""

import re
import sys
from pathlib import Path

from localcloud.project import ROOT

PICTURE = ROOT / "docs" / "images" / "timeline.svg"


def picture(page: str) -> str:
    """Return the first picture of the page with the page's light and dark colors inside it."""
    style = re.search(r"<style>.*?</style>", page, re.DOTALL)
    timeline = re.search(r"<svg (.*?</svg>)", page, re.DOTALL)
    if not style or not timeline:
        msg = "that is no page of make demo: it has no picture"
        raise ValueError(msg)
    opening, _, rest = timeline[1].partition(">")
    return f'<svg xmlns="http://www.w3.org/2000/svg" {opening}>\n{style[0]}{rest}\n'


def main(arguments: list[str]) -> int:
    """Write the picture and return the exit status."""
    page = Path(arguments[0])
    if not page.exists():
        print(f"{page} is not here, so timeline.svg stays as it is: `make demo` makes a new one")
        return 0
    PICTURE.write_text(picture(page.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
