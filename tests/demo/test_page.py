"""The page of the demo in a real browser: without a network, on a phone, in the dark, by keyboard.

Needs Chromium or Chrome. Without one these tests are skipped and say so; in CI they fail instead.
"""

import itertools
import os
import re
import shutil
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from demo import report
from demo.fates import fleet
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
PHONE = (360, 740)
DESKTOP = (1280, 900)
SMALLEST_TEXT = 12
"""CSS pixels."""
READABLE, VISIBLE = 4.5, 3.0
"""Contrast of text, and of what is no text. https://www.w3.org/TR/WCAG22/#contrast-minimum"""

TEXTS = """() => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  const texts = []
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement
    if (!walker.currentNode.data.trim() || !element.getClientRects().length) continue
    const style = getComputedStyle(element), svg = element.ownerSVGElement
    let behind = element, ground = 'rgba(0, 0, 0, 0)'
    while (behind && ground === 'rgba(0, 0, 0, 0)') {
      ground = getComputedStyle(behind).backgroundColor
      behind = behind.parentElement
    }
    texts.push({
      text: walker.currentNode.data.trim(),
      ink: svg ? style.fill : style.color,
      ground: ground,
      size: parseFloat(style.fontSize) * (svg ? svg.getScreenCTM().a : 1),
    })
  }
  return texts
}"""
REACHABLE = "[...document.querySelectorAll('a[href], button, input, summary, [tabindex]')]"


class Look(NamedTuple):
    """How the page is looked at."""

    size: tuple[int, int]
    scheme: Any


LOOKS = [Look(size, scheme) for size in (PHONE, DESKTOP) for scheme in ("light", "dark")]


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
                    yield Event(at + 2, "people told")

    fates = fleet()
    return [
        Journey(
            name=fate.name,
            story=fate.story,
            events=list(events(fate.failures, is_lost=fate is fates[-1])),
            wanted=fate.ending,
            found=fates[0].ending if fate is fates[-1] else fate.ending,
        )
        for fate in fates
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


@pytest.fixture(params=LOOKS, ids=lambda look: f"{look.size[0]}px-{look.scheme}")
def look(request: pytest.FixtureRequest) -> Look:
    look: Look = request.param
    return look


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The page on a phone; the test fails when the browser has anything to complain about."""
    with browser.new_context(viewport={"width": PHONE[0], "height": PHONE[1]}) as context:
        page = context.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(address)
        yield page
        assert complaints == []


def seen_as(page: Page, look: Look) -> Page:
    page.set_viewport_size({"width": look.size[0], "height": look.size[1]})
    page.emulate_media(color_scheme=look.scheme)
    page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    return page


def contrast(one: str, other: str) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio, of two opaque colours ``rgb(r, g, b)``."""

    def luminance(colour: str) -> float:
        assert colour.startswith("rgb("), f"{colour} is not opaque"
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return sum(weight * p for weight, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_it_loads_without_a_network(browser: Browser, address: str) -> None:
    with browser.new_context() as context:
        asked: list[str] = []
        context.on("request", lambda request: asked.append(request.url))
        context.set_offline(True)
        page = context.new_page()
        page.goto(address)
        assert page.get_by_role("heading", level=1).is_visible()
        assert asked == [address]
        assert page.evaluate("performance.getEntriesByType('resource').length") == 0


def test_it_says_what_it_is(page: Page) -> None:
    assert page.locator("html").get_attribute("lang") == "en"
    assert "8 devices" in page.title()
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_a_phone_scrolls_only_what_is_wide_in_its_own_box(page: Page) -> None:
    seen_as(page, Look(PHONE, "light"))
    assert page.evaluate("document.scrollingElement.scrollWidth") == PHONE[0]
    boxes = page.get_by_role("region").all()
    assert len(boxes) == 2
    for box in boxes:
        assert box.evaluate("box => box.scrollWidth > box.clientWidth")
        box.press("ArrowRight")
        page.wait_for_function("box => box.scrollLeft > 0", arg=box.element_handle())


def test_a_desktop_scrolls_nothing_sideways(page: Page) -> None:
    seen_as(page, Look(DESKTOP, "light"))
    for box in page.get_by_role("region").all():
        assert box.evaluate("box => box.scrollWidth <= box.clientWidth")


def test_all_text_is_large_and_dark_enough(page: Page, look: Look) -> None:
    texts = seen_as(page, look).evaluate(TEXTS)
    assert {"pump-08", "WRONG", "15 s", "people told"} <= {text["text"] for text in texts}
    assert [text for text in texts if text["size"] < SMALLEST_TEXT] == []
    assert [text for text in texts if contrast(text["ink"], text["ground"]) < READABLE] == []


def test_what_is_drawn_stands_out(page: Page, look: Look) -> None:
    drawn = seen_as(page, look).evaluate(
        """['cooling', 'failed', 'mark-failed', 'mark-updated', 'mark-told'].map(name => {
          const style = getComputedStyle(document.querySelector('svg .' + name))
          return [name, style.stroke === 'none' ? style.fill : style.stroke]
        })"""
    )
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert [name for name, colour in drawn if contrast(colour, ground) < VISIBLE] == []


def test_the_keyboard_reaches_everything_in_order(page: Page, look: Look) -> None:
    seen_as(page, look)
    wanted = page.evaluate(f"{REACHABLE}.length")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    reached = []
    for _ in range(wanted):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(f"{REACHABLE}.indexOf(document.activeElement)"))
        style, width, colour = page.evaluate(
            """(() => {
              const style = getComputedStyle(document.activeElement)
              return [style.outlineStyle, parseFloat(style.outlineWidth), style.outlineColor]
            })()"""
        )
        assert style != "none"
        assert width >= 2
        assert contrast(colour, ground) >= VISIBLE
    assert wanted == 2 + len(fleet())
    assert reached == list(range(wanted))


def test_enter_opens_the_events_of_a_device(page: Page) -> None:
    event = page.locator("li").filter(has_text=": restored").first
    assert not event.is_visible()
    page.locator("summary").nth(4).press("Enter")
    assert event.is_visible()
