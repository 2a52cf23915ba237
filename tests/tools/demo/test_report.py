"""The page of the demo stands by itself and hides nothing."""

from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from demo import report
from demo.fleet_plan import Ending
from demo.journeys import Event, Journey

FAILED = Ending(
    {"model": "failedtoupdate"}, "failed", (0, 2), in_failed_group=True, notifications=1
)
LOST = Ending({"model": "moveOut"}, "cooling_down", (0, 1), in_failed_group=False, notifications=0)

NEVER = Journey(
    name="pump-<07>",
    story="never recovers",
    events=[
        Event(0.5, "failed"),
        Event(1.0, "moved out"),
        Event(9.0, "restored"),
        Event(9.5, "failed"),
        Event(10.0, "marked failed"),
        Event(10.2, "in failed group"),
        Event(10.3, "people notified"),
    ],
    wanted=FAILED,
    found=FAILED,
)
STUCK = Journey("pump-09", "never recovers", NEVER.events[:2], wanted=FAILED, found=LOST)


class Page(HTMLParser):
    """What a reader can see, and what a browser would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text: list[str] = []
        self.fetched: list[str] = []
        self.classes: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("src", "href", "srcset", "data") and value != "data:,":
                self.fetched.append(f"{tag} {name}={value}")
            if name == "class":
                self.classes.append(value or "")

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture
def page(tmp_path: Path) -> Page:
    target = tmp_path / "new" / "index.html"
    report.write_page(target, [NEVER, STUCK], {"A day takes": "8.6 s"})
    return Page(target.read_text())


def test_it_fetches_nothing(page: Page) -> None:
    assert page.fetched == []


def test_it_shows_every_device_and_every_event(page: Page) -> None:
    text = " ".join(page.text)
    assert "pump-<07>" in text
    assert "9.0 s: restored" in text
    assert "A day takes" in text
    for event in NEVER.events:
        assert f"{event.at:.1f} s" in text


def test_the_picture_has_each_stretch_and_each_attempt(page: Page) -> None:
    drawn = {name: page.classes.count(name) for name in ("cooling", "failed", "mark-failed")}
    key = 1  # each is explained once below the picture
    assert drawn == {"cooling": 1 + key, "failed": 1 + key, "mark-failed": 3 + key}


def test_a_device_that_ended_wrong_is_said_in_both(page: Page) -> None:
    assert "WRONG" in " ".join(page.text)
    console = Console(file=StringIO(), width=200)
    report.print_table(console, [NEVER, STUCK])
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert "WRONG" in printed
    assert "pump-09 should be" in printed
