"""What is asked of every page, whatever is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from selenium.webdriver.common.by import By

from tests.dashboards.console.browser import PHONE, resize, settled, shoot, theme, violations

if TYPE_CHECKING:
    from selenium.webdriver import Chrome


def clean_in_both_themes(browser: Chrome, address: str, name: str, size: tuple[int, int]) -> None:
    """Open a page at a width: axe finds nothing, nothing sticks out, it has a title and a place in the rail. Two pictures."""
    resize(browser, size)
    browser.get(address)
    settled(browser)
    width = "phone" if size == PHONE else "desk"
    for shade in ("light", "dark"):
        theme(browser, shade)
        shoot(browser, f"{name}-{width}-{shade}")
        assert violations(browser, *(["color-contrast"] if shade == "dark" else [])) == []
    wide, room = browser.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
    assert wide <= room, "the page sticks out at the right"
    assert browser.title.endswith("· Spanloom")
    assert len(browser.find_elements(By.CSS_SELECTOR, ".rail a[aria-current=page]")) == 1
