"""The page of a trace of 20,000 spans in a real browser: it is used as a small one is, and few elements stand in it."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
from selenium.webdriver.common.keys import Keys

from tests.dashboards import shop
from tests.dashboards.console.browser import console_over, needs_chromium
from tests.dashboards.console.page import Page

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from selenium.webdriver import Chrome

pytestmark = needs_chromium

PATH = f"/traces/{shop.LARGE.hex()}"
ROWS = ".span-row"
MOST_ROWS = 100
"""Of the waterfall that are in the page at any time: those in sight, and a few around them."""
ALL = f"{shop.LARGE_SPANS:,} spans"
FAILED = range(1, shop.LARGE_SPANS, shop.LARGE_FAILED)


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with console_over("large-trace", tmp_path_factory.mktemp("console")) as url:
        yield url


@pytest.fixture
def page(browser: Chrome, console: str) -> Page:
    return Page(browser, console)


def places(page: Page, selector: str = ROWS) -> list[int]:
    """Of the rows in the page, or of some of them, from 0 for the root."""
    script = "return [...document.querySelectorAll(arguments[0])].map(row => Number(row.getAttribute('aria-rowindex')) - 2)"
    found: list[int] = page.browser.execute_script(script, selector)
    assert len(found) < MOST_ROWS
    return found


def begins_after(page: Page, place: int) -> bool:
    """Whether the rows in the page are all below one."""
    return places(page)[0] > place


def rows(page: Page) -> int:
    """In all, whether in the page or not."""
    return int(page.find(".waterfall").get_attribute("aria-rowcount") or 0) - 1


def with_ancestors(numbers: Iterable[int]) -> set[int]:
    """Spans with all that are above them."""
    found: set[int] = set()
    for number in numbers:
        above = number
        while above not in found:
            found.add(above)
            above = (above - 1) // 6 if above else 0
    return found


def test_it_scrolls_with_few_rows_in_the_page(page: Page) -> None:
    page.open(PATH, ALL)
    assert rows(page) == shop.LARGE_SPANS
    origin = ScrollOrigin.from_element(page.find(".waterfall"))
    seen = places(page)
    assert seen[0] == 0
    for pixels in (3_000, 100_000, 10_000_000):
        ActionChains(page.browser).scroll_from_origin(origin, 0, pixels).perform()
        page.until(partial(begins_after, page, seen[-1]))
        seen = places(page)
    page.until(lambda: places(page)[-1] == shop.LARGE_SPANS - 1)


def test_an_arrow_key_is_held_and_the_picked_span_outlives_a_reload(page: Page) -> None:
    page.open(PATH, ALL)
    keys = page.find(".waterfall")
    keys.send_keys(Keys.HOME)
    page.until(lambda: places(page, f"{ROWS}.picked") == [0])
    keys.send_keys(Keys.ARROW_DOWN * 300)
    page.until(lambda: places(page, f"{ROWS}.picked") == [300])
    span = (page.find(f"{ROWS}.picked").get_attribute("id") or "").removeprefix("span-")
    page.address_has(f"span={span}")
    page.browser.refresh()
    page.see(ALL, "Self time")
    page.until(lambda: places(page, f"{ROWS}.picked") == [300])
    keys = page.find(".waterfall")
    keys.send_keys(Keys.END)
    page.until(lambda: places(page, f"{ROWS}.picked") == [shop.LARGE_SPANS - 1])
    keys.send_keys(Keys.HOME, Keys.ARROW_DOWN, Keys.ARROW_LEFT)
    page.until(lambda: rows(page) < shop.LARGE_SPANS)
    assert places(page, f"{ROWS}.picked") == [1]
    keys.send_keys(Keys.ARROW_RIGHT)
    page.until(lambda: rows(page) == shop.LARGE_SPANS)


def test_it_is_filtered_collapsed_and_shown_in_each_view(page: Page) -> None:
    page.open(PATH, ALL)
    page.type("input[aria-label='Filter spans']", "customer=777")
    matching = [number for number in range(shop.LARGE_SPANS) if str(number).startswith("777")]
    page.see(f"{len(matching)} of {ALL}")
    page.address_has("find=customer")
    page.until(lambda: rows(page) == len(with_ancestors(matching)))
    page.click("button", "Clear filter")
    page.until(lambda: rows(page) == shop.LARGE_SPANS)
    page.click(".filter-bar label", "Errors")
    page.see(f"{len(FAILED)} of {ALL}")
    page.until(lambda: rows(page) == len(with_ancestors(FAILED)))
    page.click("button", "Clear filter")
    page.click("button", "Collapse all")
    page.until(lambda: rows(page) == 1 + 6)
    page.click(ROWS, "step 3")
    page.address_has("span=0000000000000004")
    for view, one_of_it in (("Flame", ".flame-box"), ("Call graph", "g.graph-node"), ("Operations", ".operations tbody tr")):
        page.click(".segments button", view)
        page.find(one_of_it)
        page.address_has("span=0000000000000004")
        assert page.browser.execute_script("return document.querySelectorAll('main *').length") < 5_000
    counts = page.browser.execute_script(
        "return [...document.querySelectorAll('.operations [data-label=Spans]')].map(cell => Number(cell.innerText))"
    )
    assert len(counts) == 120
    assert sum(counts) == shop.LARGE_SPANS
    page.click(".segments button", "Waterfall")
    page.until(lambda: rows(page) == 1 + 6)


def test_it_is_downloaded_whole_as_otlp(page: Page, tmp_path: Path) -> None:
    allowed = {"behavior": "allow", "downloadPath": str(tmp_path)}
    page.browser.execute_cdp_cmd("Browser.setDownloadBehavior", allowed)
    page.open(PATH, ALL)
    page.click("a[download]")
    file = tmp_path / f"{shop.LARGE.hex()}.json"
    page.until(file.exists)  # it has another name until it is complete
    body = json.loads(file.read_bytes())
    spans = [span for of in body["resourceSpans"] for scope in of["scopeSpans"] for span in scope["spans"]]
    assert sorted(span["spanId"] for span in spans) == [f"{number + 1:016x}" for number in range(shop.LARGE_SPANS)]
    assert sum(span.get("status", {}).get("code") == 2 for span in spans) == len(FAILED)
    assert {attribute["key"] for attribute in spans[7]["attributes"]} == {"customer", "http.route"}
