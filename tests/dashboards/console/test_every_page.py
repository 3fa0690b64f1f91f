"""Every page of the console at both widths and in both themes: nothing complains, axe finds nothing, nothing sticks out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from selenium.webdriver.common.by import By

from dashboards.api.calls.service_graph import node_id
from telemetry.documents import digest
from tests.dashboards import shop
from tests.dashboards.console.browser import (
    DESK,
    PHONE,
    needs_chromium,
    resize,
    settled,
    shoot,
    theme,
    violations,
)

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = needs_chromium

PAGES = {
    "home": "",
    "services": "services",
    "service": "services/payment",
    "service-operations": "services/payment?tab=operations",
    "service-dependencies": "services/checkout?tab=dependencies",
    "service-instances": "services/payment?tab=instances",
    "service-errors": "services/payment?tab=errors",
    "service-anomalies": "services/payment?tab=anomalies",
    "service-repairs": "services/payment?tab=repairs",
    "map": "map",
    "map-node": f"map?pick={node_id(('default', 'service', 'payment'))}",
    "map-edge": f"map?pick={digest('default', 'service', 'checkout', 'default', 'service', 'payment')[:16]}",
    "map-table": "map?view=table",
    "traces": "traces",
    "trace": f"traces/{shop.trace(45).id.hex()}",
    "logs": "logs",
    "metrics": "explore",
    "incidents": "incidents",
    "alerts": "alerts",
    "rules": "rules",
    "fleet": "fleet",
    "system": "system",
    "nowhere": "traces/no/such/page",
}


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_clean_at_this_width_in_both_themes(browser: Chrome, console: str, name: str, size: tuple[int, int]) -> None:
    resize(browser, size)
    browser.get(f"{console}/{PAGES[name]}")
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
