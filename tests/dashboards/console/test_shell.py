"""What every page of the console stands in, in a real browser: the address holds the state, and keys lead on."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.dashboards import shop
from tests.dashboards.console.browser import DESK, PHONE, click, console_over, needs_chromium, resize, see, settled, text, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from selenium.webdriver import Chrome

pytestmark = needs_chromium

TRACE = shop.trace(45).id.hex()


@pytest.fixture
def page(browser: Chrome, console: str) -> Iterator[Chrome]:
    """The page for what is nowhere: it asks for nothing but what the shell asks."""
    resize(browser, DESK)
    browser.get(f"{console}/system/no/such/page")
    settled(browser)
    yield browser
    browser.execute_script("localStorage.clear()")


def choose_range(page: Chrome, text: str) -> None:
    click(page, By.CSS_SELECTOR, ".time-range .popover > button")
    click(page, By.XPATH, f"//button[@class='choice'][.='{text}']")


def test_a_time_range_goes_into_the_address_survives_a_reload_and_goes_along(page: Chrome) -> None:
    choose_range(page, "Last 6 hours")
    until(page, lambda: page.current_url.endswith("/system/no/such/page?from=now-6h&to=now"))
    page.refresh()
    settled(page)
    see(page, "Last 6 hours")
    click(page, By.LINK_TEXT, "Rules")
    until(page, lambda: "/rules?" in page.current_url and "from=now-6h" in page.current_url)


def test_two_moments_are_a_range_and_steps_lead_to_its_neighbours(page: Chrome) -> None:
    page.get(page.current_url + "?from=2026-01-02T10:00:00Z&to=2026-01-02T11:00:00Z")
    settled(page)
    click(page, By.CSS_SELECTOR, '[aria-label="Later"]')
    until(page, lambda: "from=2026-01-02T11:00:00.000Z&to=2026-01-02T12:00:00.000Z" in page.current_url)
    click(page, By.CSS_SELECTOR, '[aria-label="Zoom out"]')
    until(page, lambda: "from=2026-01-02T10:30:00.000Z&to=2026-01-02T12:30:00.000Z" in page.current_url)
    page.back()
    until(page, lambda: "from=2026-01-02T11:00:00.000Z" in page.current_url)


def test_a_range_that_cannot_be_read_is_said_and_not_guessed(page: Chrome) -> None:
    page.get(page.current_url + "?from=yesterday")
    see(page, "The time range in the address cannot be read: showing the last 15 minutes.")


@pytest.mark.parametrize(
    ("typed", "leads_to"),
    [
        (TRACE, f"/traces/{TRACE}"),
        ("http.route=/buy", "/traces?q=http.route=/buy"),
        ("declined", "/traces?q=declined"),
    ],
)
def test_the_search_leads_to_what_was_typed(page: Chrome, typed: str, leads_to: str) -> None:
    page.find_element(By.TAG_NAME, "body").send_keys("/")
    until(page, lambda: page.switch_to.active_element.get_attribute("id") == "global-search")
    page.switch_to.active_element.send_keys(typed, Keys.ENTER)
    until(page, lambda: leads_to in page.current_url.replace("%3D", "="))


def test_keys_lead_to_pages_and_are_listed(page: Chrome) -> None:
    body = page.find_element(By.TAG_NAME, "body")
    body.send_keys("?")
    see(page, "Keyboard shortcuts", "System")
    page.switch_to.active_element.send_keys(Keys.ESCAPE)
    until(page, lambda: not page.find_elements(By.TAG_NAME, "dialog"))
    page.find_element(By.TAG_NAME, "body").send_keys("gr")
    until(page, lambda: page.current_url.endswith("/rules"))


def test_theme_and_language_stay_and_automatic_can_be_chosen_again(page: Chrome) -> None:
    shade = "return document.documentElement.dataset.theme"
    before: str = page.execute_script(shade)

    def is_shade(shown: str) -> bool:
        return bool(page.execute_script(shade) == shown)

    for name, shown in (("Dark", "dark"), ("Light", "light"), ("Automatic", before)):
        if not page.find_elements(By.CSS_SELECTOR, ".settings"):
            click(page, By.CSS_SELECTOR, '[aria-label="Settings and login"]')
        click(page, By.XPATH, f"//label[contains(., '{name}')]/input")
        until(page, partial(is_shade, shown))
    click(page, By.XPATH, "//label[contains(., '中文')]/input")
    see(page, "服务", "页面不存在")
    page.refresh()
    see(page, "服务")
    assert page.execute_script("return document.documentElement.lang") == "zh-CN"


def test_the_first_tab_skips_to_the_content(page: Chrome) -> None:
    page.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    assert page.switch_to.active_element.text == "Skip to content"
    page.switch_to.active_element.send_keys(Keys.ENTER)
    until(page, lambda: page.switch_to.active_element.get_attribute("id") == "content")


def test_on_a_phone_the_pages_stand_below_and_the_rest_behind_more(page: Chrome) -> None:
    resize(page, PHONE)
    assert not page.find_element(By.LINK_TEXT, "Home").get_attribute("hidden")
    assert not [link for link in page.find_elements(By.PARTIAL_LINK_TEXT, "Fleet") if link.is_displayed()]
    click(page, By.CSS_SELECTOR, ".rail .more")
    click(page, By.LINK_TEXT, "Fleet")
    until(page, lambda: "/fleet" in page.current_url)


def test_a_server_that_went_away_is_said_and_the_page_greys_out(chrome: Chrome, tmp_path: Path) -> None:
    with ExitStack() as stack:
        url = stack.enter_context(console_over("nothing", tmp_path))
        chrome.get(f"{url}/rules")
        settled(chrome)
        assert "does not answer" not in text(chrome)
        stack.close()
        click(chrome, By.CSS_SELECTOR, '[aria-label="Refresh now"]')
        see(chrome, "The server does not answer. What is shown may be old.")
        until(chrome, lambda: bool(chrome.find_elements(By.CSS_SELECTOR, "main.away")))
        chrome.get("about:blank")
