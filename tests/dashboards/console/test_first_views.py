"""What each page asks of the server at first is what the benchmark of the console's cost measures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.benchmarks.console_cost import PAGES, SERVICE, SHELL, TRACE
from tests.dashboards import shop
from tests.dashboards.console.browser import logged, needs_chromium, settled, until

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = needs_chromium

ADDRESSES = {
    "Home": "",
    "Services": "services",
    "Service": "services/payment",
    "Map": "map",
    "Traces": "traces",
    "Trace": f"traces/{shop.trace(45).id.hex()}",
    "Logs": "logs",
    "Metrics": "explore",
    "Incidents": "incidents",
    "Incident": "incidents/incident-1",
    "Alerts": "alerts",
    "Rules": "rules",
    "Fleet": "fleet",
    "System": "system",
}

ELSEWHERE = (
    "/api/v1/healing",
    "/api/v1/rules",
    "/api/v1/fleet",
    "/api/v1/policies",
    "/api/v1/dead-letters",
    "/api/v1/events",
    "/api/v1/marks",
)
"""What is not asked of the store by each page that looks: workers and control planes answer it, and one stream is for all."""


@pytest.mark.parametrize("name", ADDRESSES)
def test_a_first_view_asks_what_its_cost_is_measured_of(browser: Chrome, console: str, name: str) -> None:
    measured = {path.partition("?")[0] for path in {**SHELL, **PAGES[name]}}
    measured = {path.replace(SERVICE, "payment").replace(TRACE, shop.trace(45).id.hex()) for path in measured}
    found: set[str] = set()

    def asked() -> set[str]:
        for entry in logged(browser, "performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                path = urlsplit(message["params"]["request"]["url"]).path
                if path.startswith("/api/v1/") and not path.startswith(ELSEWHERE):
                    found.add(path.removeprefix("/api/v1/"))
        return found

    browser.get(f"{console}/{ADDRESSES[name]}")
    settled(browser)
    until(browser, lambda: asked() >= measured)
    assert asked() == measured
