"""The console in Chinese, over the shop's documents: no page has a sentence of ours in English, and none sticks out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.dashboards import shop
from tests.dashboards.console.browser import DESK, PHONE, needs_chromium, resize, settled, shoot

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = needs_chromium

PAGES = {
    "home": "",
    "service": "services/payment",
    "service-anomalies": "services/payment?tab=anomalies",
    "map": "map",
    "traces": "traces",
    "trace": f"traces/{shop.trace(45).id.hex()}",
    "incidents": "incidents",
    "incident": "incidents/incident-1",
    "alerts": "alerts",
    "notifications": "alerts?tab=notifications",
    "alert": f"alerts/{shop.ALERT}",
    "system": "system",
}

SENTENCES = """
const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
    const node = walker.currentNode;
    if (node.parentElement.closest("code, pre, script, noscript, style, .mono")) continue;
    const words = node.textContent.match(/[a-z]{2,}(?:[ ,]+[a-z]{2,}){3,}/giu);
    if (words) found.push(...words);
}
return [...new Set(found)];
"""
"""Four words of Latin letters in a row: what users name is shorter in the shop."""


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_pages_speak_chinese(browser: Chrome, console: str, size: tuple[int, int]) -> None:
    resize(browser, size)
    browser.get(f"{console}/system")
    browser.execute_script("localStorage.setItem('spanloom.language', 'zh')")
    english: dict[str, list[str]] = {}
    try:
        for name, path in PAGES.items():
            browser.get(f"{console}/{path}")
            settled(browser)
            shoot(browser, f"{name}-{'phone' if size == PHONE else 'desk'}-zh")
            assert browser.execute_script("return document.documentElement.lang") == "zh-CN"
            wide, room = browser.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
            assert wide <= room, f"{name} sticks out at the right"
            if found := browser.execute_script(SENTENCES):
                english[name] = found
    finally:
        browser.execute_script("localStorage.removeItem('spanloom.language')")
    assert english == {}
