"""Every link within the project leads somewhere, down to the heading."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud.project import ROOT
from tests.tools.docs import pages

LINKS = sorted(
    {(pages.name_of(page), link) for page in pages.pages() for link in pages.links(page)}
)


@pytest.mark.parametrize(("page", "link"), LINKS)
def test_a_link_leads_somewhere(page: str, link: str) -> None:
    path, _, fragment = link.partition("#")
    target = (ROOT / page).parent / path if path else ROOT / page
    assert target.exists()
    if fragment and target.suffix == ".md":
        assert fragment in pages.anchors(target)


def test_no_page_is_lost() -> None:
    """Each can be reached from one of those that GitHub shows at the top."""
    ahead, seen = set(ROOT.glob("*.md")), set[Path]()
    while ahead:
        page = ahead.pop()
        seen.add(page)
        ahead |= set(list_linked_pages(page)) - seen
    assert sorted(map(pages.name_of, set(pages.pages()) - seen)) == []


@pytest.mark.parametrize("example", sorted(path.name for path in ROOT.glob("examples/*/")))
def test_every_example_is_in_the_readme(example: str) -> None:
    assert f"examples/{example}" in pages.links(ROOT / "README.md")


def test_the_submodules_are_in_the_readme() -> None:
    assert "modules" in pages.links(ROOT / "README.md")


def list_linked_pages(page: Path) -> Iterator[Path]:
    """Return the pages that a page links, singly or as a folder."""
    for link in pages.links(page):
        target = (page.parent / link.partition("#")[0]).resolve()
        # A folder of folders shows the page of each, such as modules/.
        inside = [*target.glob("*.md"), *target.glob("*/README.md")]
        candidates = inside if target.is_dir() else [target]
        yield from (path for path in candidates if path.suffix == ".md" and path.exists())
