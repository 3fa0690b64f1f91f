"""The page of one trace in a real browser: what it says, and where it leads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.dashboards import shop
from tests.dashboards.console.browser import DESK, PHONE, logged, needs_chromium, theme, violations
from tests.dashboards.console.page import Page

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = needs_chromium

FAILING = shop.trace(45)
PATH = f"/traces/{FAILING.id.hex()}"
PAYMENT = "0000000000000005"
ROWS = ".span-row"


@pytest.fixture
def page(browser: Chrome, console: str) -> Page:
    return Page(browser, console)


def test_a_trace_says_where_its_time_went_and_shows_its_tree(page: Page) -> None:
    page.open(PATH, "84.9% of 471 ms was payment\u2019s own work in Payment/Charge", "1 error", "8 spans", FAILING.id.hex())
    assert [" ".join(text.split()[:2]) for text in page.texts(f"{ROWS} .name")] == [
        *("frontend POST", "frontend POST", "checkout POST", "checkout Payment/Charge", "payment Payment/Charge"),
        *("checkout INSERT", "checkout paid", "shipping paid"),
    ]
    assert page.texts(".ruler .tick")[:3] == ["0", "100 ms", "200 ms"]
    assert (
        page.browser.execute_script("return document.querySelectorAll('.span-row .wait.queue, .span-row .wait.gap').length")
        >= 3
    )
    assert page.browser.execute_script("return document.querySelectorAll('.span-row .critical').length") >= 8


def test_a_pick_is_in_the_address_and_shows_what_is_known_of_the_span(page: Page) -> None:
    page.open(PATH, "own work")
    page.click(ROWS, "payment")
    page.address_has(f"span={PAYMENT}")
    page.see("card declined", "Self time")
    page.click(".span-drawer [role=tab]", "Events")
    page.see("Declined")
    page.click(".span-drawer [role=tab]", "Logs")
    page.see("card of order 45 declined <b>now</b>")  # what telemetry says is text, never markup
    page.click(".span-drawer [role=tab]", "Why")
    page.see("checkout → payment", "Network and queueing")
    page.browser.refresh()
    page.see("card declined")
    page.click(".span-drawer [role=tab]", "Attributes")
    link = page.find(".span-drawer .attributes a").get_attribute("href") or ""
    assert "q=service.instance.id%3Dpayment-1" in link


def test_rows_are_filtered_collapsed_and_walked_by_keys(page: Page) -> None:
    page.open(f"{PATH}?find=orders", "1 of 8 spans")
    assert len(page.texts(ROWS)) == 4  # with the spans above it
    page.click("button", "Clear filter")
    page.until(lambda: len(page.texts(ROWS)) == 8)
    page.click("button", "Collapse all")
    page.until(lambda: len(page.texts(ROWS)) == 2)
    page.open(f"{PATH}?span=0000000000000001", "Self time")
    keys = page.find(".waterfall")
    keys.send_keys("\ue015")  # arrow down
    page.address_has("span=0000000000000002")
    keys.send_keys("\ue012")  # arrow left: collapse
    page.until(lambda: len(page.texts(ROWS)) == 2)


def test_dragging_over_the_minimap_zooms_and_the_zoom_is_in_the_address(page: Page) -> None:
    page.open(PATH, "own work")
    page.drag(".minimap-area", 0.5, 0.75)
    page.address_has("zoom=")
    page.until(lambda: page.texts(".ruler .tick")[:1] not in ([], ["0"]))
    page.click("button", "Whole trace")
    page.until(lambda: page.texts(".ruler .tick")[:1] == ["0"])


@pytest.mark.parametrize(
    ("view", "shown"),
    [
        ("flame", "Payment/Charge 406 ms"),
        ("graph", "sqlite:orders"),
        ("table", "400 ms (84.9%)"),
    ],
)
def test_each_view_shows_the_same_trace(page: Page, view: str, shown: str) -> None:
    page.open(f"{PATH}?view={view}", shown)


def test_clocks_that_differ_are_said_and_the_clock_is_chosen(page: Page) -> None:
    page.open(f"/traces/{shop.trace(shop.SKEWED).id.hex()}", "The clocks of payment differ from the root's by up to 150 ms")
    page.click("button", "By the root's clock")
    page.address_has("clock=root")
    page.see("+150 ms")


def test_a_trace_that_is_not_there_is_said_to_be_missing(page: Page) -> None:
    page.open(f"/traces/{'0' * 32}", "not found: it may still be in progress, or past retention")
    complaints = logged(page.browser, "browser")
    assert complaints
    assert all("404" in entry["message"] for entry in complaints)


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("query", [f"?span={PAYMENT}", "?view=flame", "?view=graph", "?view=table"])
def test_every_view_is_clean_at_both_widths_in_both_themes(
    browser: Chrome, console: str, query: str, size: tuple[int, int]
) -> None:
    page = Page(browser, console, size)
    page.open(f"{PATH}{query}", "own work")
    page.gone("Arranging")
    for shade in ("light", "dark"):
        theme(browser, shade)
        assert violations(browser) == []
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
