"""The page of rules in a real browser: a rule's graph, and when it would have fired."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.dashboards.console.browser import PHONE, console_over, needs_chromium, resize, shoot, theme, violations
from tests.dashboards.console.page import Page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from selenium.webdriver import Chrome

pytestmark = needs_chromium

RANGE = "from=2027-01-15T07:45:00Z&to=2027-01-15T08:00:00Z"


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The shop with samples and rules over them."""
    with console_over("metrics", tmp_path_factory.mktemp("console")) as url:
        yield url


@pytest.fixture
def page(browser: Chrome, console: str) -> Page:
    """A page of the console."""
    return Page(browser, console)


def test_a_rule_is_backtested_over_the_chosen_range(page: Page) -> None:
    page.open(f"/rules?{RANGE}&rule=Busy&group=traffic", "(rate(requests_total[1m])) > 3", "When it would have fired")
    page.find(".drawer canvas")
    page.click("button", "Backtest")
    page.see("Would have fired once", "until the end service=payment", "2027-01-15 ")
    assert violations(page.browser) == []
    shoot(page.browser, "rule-backtest-desk-light")
    theme(page.browser, "dark")
    resize(page.browser, PHONE)
    shoot(page.browser, "rule-backtest-phone-dark")
    assert violations(page.browser, "color-contrast") == []
    page.click("button", "Clear the result")
    page.gone("Would have fired once")


def test_a_recording_rule_has_a_graph_and_no_backtest(page: Page) -> None:
    page.open(f"/rules?{RANGE}&rule=service:requests&group=traffic", "sum by (service)")
    page.find(".drawer canvas")
    assert "Backtest" not in page.texts(".drawer button")
