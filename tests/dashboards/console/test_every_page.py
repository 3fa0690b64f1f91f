"""Every page of the console at both widths and in both themes: nothing complains, axe finds nothing, nothing sticks out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dashboards.api.calls.service_graph import node_id
from telemetry.documents import digest
from tests.dashboards import shop
from tests.dashboards.console.browser import DESK, PHONE, needs_chromium
from tests.dashboards.console.looks import clean_in_both_themes

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
    "service-logs": "services/payment?tab=logs",
    "service-slos": "services/payment?tab=slos",
    "map": "map",
    "map-node": f"map?pick={node_id(('default', 'service', 'payment'))}",
    "map-edge": f"map?pick={digest('default', 'service', 'checkout', 'default', 'service', 'payment')[:16]}",
    "map-table": "map?view=table",
    "traces": "traces",
    "trace": f"traces/{shop.trace(45).id.hex()}",
    "logs": "logs",
    "metrics": "explore",
    "incidents": "incidents",
    "incident": "incidents/incident-1",
    "alerts": "alerts",
    "alerts-notifications": "alerts?tab=notifications",
    "alert": f"alerts/{shop.ALERT}",
    "rules": "rules",
    "fleet": "fleet",
    "system": "system",
    "nowhere": "traces/no/such/page",
}


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_clean_at_this_width_in_both_themes(browser: Chrome, console: str, name: str, size: tuple[int, int]) -> None:
    clean_in_both_themes(browser, f"{console}/{PAGES[name]}", name, size)
