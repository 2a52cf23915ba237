"""The page of the demo in a real browser: it opens offline, on a phone, and names every device.

Needs Chromium or Chrome. Without one these tests are skipped and say so; in CI they fail instead.
"""

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ViewportSize, sync_playwright

from demo import report
from demo.fleet_plan import plan_fleet
from demo.journeys import Event, Journey

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MISSING = "no Chromium or Chrome on the PATH; on Debian: apt-get install chromium"
# Nothing that a browser does by itself, such as updating, may look like a request of the page.
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHONE: ViewportSize = {"width": 360, "height": 740}


def journeys() -> list[Journey]:
    """The demo's fleet, with as many events as a real run has, and one device that ended wrong."""

    def events(failures: tuple[int, ...], is_lost: bool) -> Iterator[Event]:
        at = 1.0
        for cycle, failed in enumerate(failures):
            for _ in range(min(failed, 10)):
                yield Event(at := at + 0.3, "failed")
            if failed < 10:
                yield Event(at + 0.3, "updated")
            elif cycle == 0:
                yield Event(at := at + 1, "moved out")
                yield Event(at := at + 9, "restored")
            else:
                yield Event(at + 1, "marked failed")
                yield Event(at + 1.5, "in failed group")
                if not is_lost:
                    yield Event(at + 2, "people notified")

    plans = plan_fleet()
    return [
        Journey(
            name=plan.name,
            story=plan.story,
            events=list(events(plan.failures, is_lost=plan is plans[-1])),
            wanted=plan.ending,
            found=plans[0].ending if plan is plans[-1] else plan.ending,
        )
        for plan in plans
    ]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    page = tmp_path_factory.mktemp("demo") / "index.html"
    report.write_page(page, journeys(), {"A day takes": "8.6 s", "The whole demo took": "93 s"})
    return page.as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None and os.environ.get("CI"):
        pytest.fail(MISSING)
    if program is None:
        pytest.skip(MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


def test_page_opens_offline_and_names_every_device(browser: Browser, address: str) -> None:
    with browser.new_context(viewport=PHONE) as context:
        complaints: list[str] = []
        context.on("console", lambda message: complaints.append(message.text))
        context.on("weberror", lambda error: complaints.append(str(error.error)))
        context.set_offline(True)
        page = context.new_page()
        page.goto(address)
        headings = page.locator("summary").all_inner_texts()
        assert [any(plan.name in text for text in headings) for plan in plan_fleet()] == [True] * 8
        assert page.evaluate("document.scrollingElement.scrollWidth") == PHONE["width"]
        assert complaints == []
