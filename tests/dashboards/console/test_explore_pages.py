"""The pages of traces, logs and metrics, and the charts of Home, in a real browser, over what the shop has stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.dashboards import shop
from tests.dashboards.console.browser import DESK, PHONE, console_over, needs_chromium, settled, theme, violations
from tests.dashboards.console.page import Page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from selenium.webdriver import Chrome

pytestmark = needs_chromium

RANGE = "from=2027-01-15T07:45:00Z&to=2027-01-15T08:00:10Z"
DEPLOYED = (15 * 60 - (shop.TRACES - shop.FAULTY_FROM) * 10) / (15 * 60 + 10)
"""How far into the range shipping got its new version."""
A, B = shop.trace(45).id.hex(), shop.trace(20).id.hex()
ENTER, TAB = "\ue007", "\ue004"


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The shop with the Prometheus API."""
    with console_over("metrics", tmp_path_factory.mktemp("console")) as url:
        yield url


@pytest.fixture
def page(browser: Chrome, console: str) -> Page:
    return Page(browser, console)


def test_a_deploy_is_marked_on_the_charts_of_home(page: Page) -> None:
    page.open(f"/?{RANGE}", "Error rate")
    settled(page.browser)

    def shown() -> bool:
        page.point(".chart .u-over", DEPLOYED)
        return f"Deploy of shipping: first span of version {shop.NEW_VERSION} at " in " ".join(page.texts(".chart-notes"))

    page.until(shown)


def test_traces_are_counted_by_the_store_and_paged(page: Page) -> None:
    page.open(f"/traces?{RANGE}", f"1\u201350 of {shop.TRACES - 1} traces")
    first = page.texts(".traces-table tbody th")
    assert len(first) == 50
    page.click("button", "Next page")
    page.see(f"51\u2013{shop.TRACES - 1} of {shop.TRACES - 1} traces")
    assert not set(first) & set(page.texts(".traces-table tbody th"))
    page.browser.back()
    page.see("1\u201350 of")
    (unusual,) = [row for row in page.texts(".traces-table tbody th") if "anomaly" in row]
    assert shop.trace(shop.ODD).id.hex()[:8] in unusual
    assert "anomaly 0.93" in unusual
    assert unusual.endswith(shop.ODD_WHY)


def test_a_query_is_completed_from_what_is_stored_and_finds_traces(page: Page) -> None:
    page.open(f"/traces?{RANGE}", "of 59 traces")
    field = page.find("input[role=combobox][aria-label='Search traces']")
    field.send_keys("serv")
    page.until(lambda: any(text.startswith("service") for text in page.texts("[role=option]")))
    field.send_keys("ice=pay")
    page.until(lambda: any(text.startswith("payment") for text in page.texts("[role=option]")))
    field.send_keys(TAB)
    page.until(lambda: field.get_attribute("value") == "service=payment ")
    field.send_keys("and status=error", ENTER)
    page.address_has("q=service%3Dpayment+and+status%3Derror")
    page.see("1\u20134 of 4 traces")


def test_a_wrong_query_says_what_is_wrong(page: Page) -> None:
    page.open(f"/traces?{RANGE}&q=duration%3E", "duration")
    page.find("[role=alert]")
    for kind in ("browser", "performance"):
        page.browser.get_log(kind)  # type: ignore[no-untyped-call]  # selenium's; the refusal is in it, and meant


def test_a_facet_narrows_the_search(page: Page) -> None:
    page.open(f"/traces?{RANGE}", "of 59 traces")
    page.click(".facets button", "Error")
    page.address_has("status%3DError")
    page.see("of 4 traces")


def test_dragging_over_the_heatmap_chooses_time_and_durations(page: Page) -> None:
    page.open(f"/traces?{RANGE}", "of 59 traces")
    page.drag(".heatmap-area", 0.3, 0.9)
    page.until(lambda: "duration" in page.browser.current_url and "07:45:00Z" not in page.browser.current_url)


def test_two_traces_are_compared_by_their_call_paths(page: Page) -> None:
    page.open(f"/traces?{RANGE}&compare={A}", "choose another one")
    page.click(".traces-table input[type=checkbox]")
    page.see("call paths differ")
    page.open(f"/traces?{RANGE}&compare={A},{B}", "5 of 8 call paths differ", "B is 380 ms faster")
    page.click("button", "Swap")
    page.see("B is 380 ms slower")


def test_what_slow_spans_have_in_common_is_asked_for(page: Page) -> None:
    page.open(f"/traces?{RANGE}&q=operation%3DPayment%2FCharge", "of 59 traces")
    page.click("button", "Failed spans")
    page.see("failed spans against")
    page.address_has("common=failed")


def test_logs_are_found_by_words_and_lead_to_their_trace(page: Page) -> None:
    page.open(f"/logs?{RANGE}&q=declined", "1\u20134 of 4 log records", "card of order 45 declined <b>now</b>")
    page.click("button[aria-label^='Details']")
    page.see("trace_id")
    page.click(".log-line a", "Trace")
    page.address_has("/traces/")
    page.see("own work")


def test_log_templates_are_counted(page: Page) -> None:
    page.open(f"/logs?{RANGE}", "of 59 log records")
    page.click("button", "Templates")
    page.see("charged order", "55", "All 59 records that match")


def test_a_live_tail_is_connected_and_paused(page: Page) -> None:
    page.open(f"/logs?{RANGE}&view=live", "Live.", "Waiting for a record")
    page.click("button", "Pause")
    page.see("Resume")


def test_an_expression_is_completed_and_drawn(page: Page) -> None:
    page.open(f"/explore?{RANGE}", "Write a PromQL expression")
    field = page.find("input[role=combobox][aria-label='PromQL expression']")
    field.send_keys("requests")
    page.until(lambda: any(text.startswith("requests_total") for text in page.texts("[role=option]")))
    field.send_keys(TAB)
    page.until(lambda: field.get_attribute("value") == "requests_total")
    field.send_keys("{service=", '"pay')
    page.until(lambda: any(text.startswith("payment") for text in page.texts("[role=option]")))
    field.send_keys('ment"}', ENTER)
    page.until(lambda: page.texts(".series li button") == ['requests_total{service="payment"}'])
    link = page.find(".series a").get_attribute("href") or ""
    assert "/traces?q=service%3Dpayment" in link


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize(
    ("path", "seen"),
    [
        (f"/traces?{RANGE}", "of 59 traces"),
        (f"/traces?{RANGE}&compare={A},{B}", "call paths differ"),
        (f"/logs?{RANGE}", "of 59 log records"),
        (f"/logs?{RANGE}&view=templates", "charged order"),
        (f"/explore?{RANGE}&q=requests_total", "payment"),
    ],
)
def test_they_are_clean_at_both_widths_in_both_themes(
    browser: Chrome, console: str, path: str, seen: str, size: tuple[int, int]
) -> None:
    page = Page(browser, console, size)
    page.open(path, seen)
    for shade in ("light", "dark"):
        theme(browser, shade)
        assert violations(browser) == []
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
