"""The console over 100,000 traces of 200 services in the last quarter of an hour: every page, and the numbers that it shows."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from dashboards.api.calls.service_graph import node_id
from telemetry.documents import Kind, digest
from tests.dashboards import at_scale, shop
from tests.dashboards.console.browser import DESK, PHONE, console_over, needs_chromium
from tests.dashboards.console.looks import clean_in_both_themes
from tests.dashboards.console.page import Page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from selenium.webdriver import Chrome

pytestmark = needs_chromium

GATEWAY, MIDDLE, LEAF = (at_scale.name(number) for number in at_scale.path_of(0))
TRACE = f"c0de0007{5:024x}"

PAGES = {
    "home": "",
    "services": "services",
    "service": f"services/{MIDDLE}",
    "service-operations": f"services/{MIDDLE}?tab=operations",
    "service-dependencies": f"services/{MIDDLE}?tab=dependencies",
    "service-instances": f"services/{MIDDLE}?tab=instances",
    "service-errors": f"services/{LEAF}?tab=errors",
    "service-anomalies": "services/payment?tab=anomalies",
    "service-repairs": "services/payment?tab=repairs",
    "map": "map",
    "map-all": "map?show=all",
    "map-groups": "map?show=all&group=namespace",
    "map-node": f"map?pick={node_id(('default', 'service', MIDDLE))}",
    "map-edge": f"map?pick={digest('default', 'service', MIDDLE, 'default', 'service', LEAF)[:16]}",
    "map-table": "map?view=table",
    "traces": "traces",
    "trace": f"traces/{TRACE}",
    "logs": "logs",
    "metrics": "explore?q=sum by (service) (rate(requests_total[5m]))",
    "incidents": "incidents",
    "alerts": "alerts",
    "rules": "rules",
    "fleet": "fleet",
    "system": "system",
}


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a console over all of it, and over the shop's documents."""
    with console_over("at-scale", tmp_path_factory.mktemp("console")) as url:
        yield url


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_clean_at_100_000_traces(browser: Chrome, console: str, name: str, size: tuple[int, int]) -> None:
    clean_in_both_themes(browser, f"{console}/{PAGES[name]}", f"at-scale-{name}", size)


RANGE = "from=2027-01-15T07:45:00Z&to=2027-01-15T08:00:00Z"
"""The quarter of an hour that everything lies in, to the nanosecond."""


@pytest.fixture
def page(browser: Chrome, console: str) -> Page:
    """A page of the console."""
    return Page(browser, f"{console}/")


def test_the_numbers_shown_are_those_of_what_was_stored(page: Page) -> None:
    paths = [at_scale.path_of(number) for number in range(at_scale.A_WINDOW)]
    calls = sum(path[1:] == at_scale.path_of(0)[1:] for path in paths) * at_scale.WINDOWS
    edges = {("user", path[0]) for path in paths} | {step for path in paths for step in pairwise(path)}
    of_shop = shop.documents()
    kept = [document.kind for document in of_shop]
    shop_edges = {
        (document.body["caller"]["name"], document.body["callee"]["name"]) for document in of_shop if document.kind is Kind.EDGE
    }
    page.open(f"traces?{RANGE}", f"{at_scale.TRACES + kept.count(Kind.TRACE):,}")
    page.open(f"logs?{RANGE}", f"of {at_scale.LOGS + kept.count(Kind.LOG):,} log records")
    page.open(f"map?{RANGE}&show=all", f"of {at_scale.SERVICES + 6} nodes, {len(edges) + len(shop_edges)} edges")
    page.open(f"{PAGES['map-edge']}&{RANGE}", f"{MIDDLE} → {LEAF}")
    page.until(lambda: f"Requests {calls:,}" in page.texts(".map-panel .stats tr"))
