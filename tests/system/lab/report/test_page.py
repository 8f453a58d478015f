"""The page of `palate lab report`, opened in a real browser."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--no-pings")
PICTURES = [
    "stages",
    "confidence",
    "tastes",
    "features",
    "genres",
    "slate-cold_start",
    "slate-fallback",
    "slate-ranking",
    "logistic",
    "gbdt",
    "gbdt-training",
    "neural",
]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed to open the page in")


@dataclass
class Visit:
    """A page that is open, and what it did.

    Attributes:
        page: The page.
        said: What it wrote to the console, and its errors.
        requests: Addresses that it asked for, data within itself apart.
    """

    page: Page
    said: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a browser without a display."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield opened
        opened.close()


@pytest.fixture(scope="module", params=[1280, 390], ids=["desktop", "phone"])
def visit(request: pytest.FixtureRequest, browser: Browser, demo: Any) -> Iterator[Visit]:
    """Return the page of the demo, opened on a desktop and on a phone."""
    page = browser.new_page(viewport={"width": request.param, "height": 900})
    seen = Visit(page)
    page.on("console", lambda message: seen.said.append(message.text))
    page.on("pageerror", lambda error: seen.said.append(str(error)))
    page.on("request", lambda asked: seen.requests.append(asked.url))
    page.goto((demo.folder / "report.html").as_uri())
    yield seen
    page.close()


def test_the_page_opens_without_a_complaint(visit: Visit) -> None:
    """Nothing is said on the console, and the title names the listener."""
    assert [] == visit.said
    assert "palate: dana" == visit.page.title()


def test_the_page_asks_for_nothing_but_itself(visit: Visit) -> None:
    """It is one file that needs no network."""
    assert ["file"] == sorted({url.partition(":")[0] for url in visit.requests} - {"data"})
    assert 1 == sum(url.startswith("file:") for url in visit.requests)


def test_every_picture_is_there_and_can_be_seen(visit: Visit) -> None:
    """Each figure has an image that the browser could decode, as large as it says."""
    figures = visit.page.evaluate("[...document.querySelectorAll('figure')].map(figure => figure.id)")
    assert PICTURES == figures
    sizes = visit.page.evaluate(
        "[...document.images].map(one => [one.complete, one.naturalWidth / one.width, one.naturalHeight / one.height])"
    )
    assert len(PICTURES) == len(sizes)
    for complete, across, down in sizes:
        assert complete
        assert 0 < across == pytest.approx(down, rel=0.01)


def test_every_picture_is_told_in_figures(visit: Visit) -> None:
    """Who does not see the pictures hears figures, and no two are told alike."""
    texts = visit.page.evaluate("[...document.images].map(one => one.alt)")
    assert len(PICTURES) == len({text for text in texts if re.search(r"\d", text)})


def test_every_caption_says_what_the_picture_was_made_from(visit: Visit) -> None:
    """Seed, catalog and version stand below each."""
    captions = visit.page.locator("figcaption").all_inner_texts()
    assert len(PICTURES) == len([one for one in captions if re.search(r"seed 12.*Catalog [0-9a-f]+, palate \d", one)])


def test_the_page_is_not_wider_than_the_screen(visit: Visit) -> None:
    """Wide pictures scroll within themselves; the page never scrolls sideways."""
    assert visit.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_links_lead_to_sections_that_are_there(visit: Visit) -> None:
    """No link of the page is dead."""
    dead = "[...document.querySelectorAll('nav a')].filter(a => !document.getElementById(a.hash.slice(1))).length"
    assert 0 == visit.page.evaluate(dead)
    assert 4 == visit.page.locator("nav a").count()


def test_what_cannot_be_drawn_is_named_with_its_remedy(visit: Visit) -> None:
    """Without a comparison the page says how to get one."""
    assert "palate lab compare --out DIR" in visit.page.locator("#not-drawn").inner_text()


def test_each_picture_is_a_file_too(demo: Any) -> None:
    """Beside the page lies a PNG file for each picture, small enough to send around."""
    files = sorted(path.stem for path in Path(demo.folder).glob("*.png"))
    assert sorted(PICTURES) == files
    assert max(path.stat().st_size for path in Path(demo.folder).glob("*.png")) < 250_000
