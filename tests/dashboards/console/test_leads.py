"""What leads from one page to another in a real browser: the search, a drag, an exemplar, an alert; and live lines."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from selenium.webdriver.common.keys import Keys

from tests.dashboards import metrics, news, shop
from tests.dashboards.console.browser import console_over, console_with_news, needs_chromium, settled
from tests.dashboards.console.page import Page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from selenium.webdriver import Chrome

pytestmark = needs_chromium

SINCE, UNTIL = "2027-01-15T07:45:00Z", "2027-01-15T08:00:10Z"
RANGE = f"from={SINCE}&to={UNTIL}"


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The shop with the Prometheus API and an exemplar."""
    with console_over("metrics", tmp_path_factory.mktemp("console")) as url:
        yield url


@pytest.fixture
def page(browser: Chrome, console: str) -> Page:
    return Page(browser, console)


def between(page: Page) -> tuple[datetime, datetime]:
    """The range of the address."""
    found = re.search(r"from=([^&]+)&to=([^&]+)", page.browser.current_url)
    assert found
    since, until = map(datetime.fromisoformat, found.groups())
    return since, until


@pytest.mark.parametrize("typed", ["payment", "PAYM"])
def test_the_search_leads_to_a_service_by_its_name_or_the_beginning_of_it(page: Page, typed: str) -> None:
    page.open(f"/rules?{RANGE}", "Rules")
    page.type("#global-search", typed + Keys.ENTER)  # at once, before the services are known
    page.address_has("/services/payment")
    page.see("payment", "Operations")


def test_a_drag_over_a_chart_zooms_into_it(page: Page) -> None:
    page.open(f"/?{RANGE}", "Error rate")
    settled(page.browser)
    page.find(".chart .u-over")
    page.drag(".chart .u-over", 0.25, 0.75)
    page.until(lambda: SINCE not in page.browser.current_url)
    since, until = between(page)
    middle = datetime(2027, 1, 15, 7, 52, 35, tzinfo=UTC)
    assert since < middle < until
    assert 300 < (until - since).total_seconds() < 600


def test_a_drag_over_the_heatmap_of_a_service_leads_to_the_traces_of_it(page: Page) -> None:
    page.open(f"/services/payment?{RANGE}", "Operations")
    settled(page.browser)
    page.drag(".heatmap-area", 0.3, 0.9)
    page.address_has("/traces?")
    page.address_has("service%3Dpayment")
    page.address_has("duration")


def test_an_exemplar_of_an_expression_leads_to_its_trace(page: Page) -> None:
    page.open(f"/explore?{RANGE}&q=requests_total", "Exemplars")
    page.click("main a", metrics.EXEMPLAR.id.hex())
    page.address_has(f"/traces/{metrics.EXEMPLAR.id.hex()}")
    page.address_has("span=")
    page.see("own work", "Self time")


def test_an_exemplar_is_a_dot_on_the_chart_that_leads_to_its_trace(page: Page) -> None:
    page.open(f"/explore?{RANGE}&q=requests_total", "Exemplars")
    settled(page.browser)
    since, until = between(page)
    taken = datetime.fromtimestamp(metrics.measured().start / shop.SECOND, UTC)
    page.press(".chart .u-over", (taken - since) / (until - since), 4)
    page.address_has(f"/traces/{metrics.EXEMPLAR.id.hex()}")
    page.address_has("span=")


def test_an_alert_sets_the_range_to_around_it(page: Page) -> None:
    page.open("/alerts?from=now-1h&to=now", "Alerts")
    page.click("main table a", "")
    page.click("button", "around this alert")
    page.until(lambda: "from=now" not in page.browser.current_url)
    since, until = between(page)
    now = datetime.fromtimestamp(shop.NOW / shop.SECOND, UTC)
    assert since < now
    assert (until - since).total_seconds() == 30 * 60


def test_a_line_appears_in_the_live_tail_when_it_is_stored(chrome: Chrome, tmp_path: Path) -> None:
    with console_with_news("shop", tmp_path) as (url, happen):
        page = Page(chrome, url)
        page.open("/logs?view=live&q=service%3Dshipping", "Live.", "Waiting for a record")
        happen()
        page.see(news.LINE)
        page.browser.get("about:blank")
