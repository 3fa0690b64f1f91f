from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.dashboards.console.browser import console_over, logged, open_chrome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from selenium.webdriver import Chrome


COMING: tuple[str, ...] = ()
"""What pages ask for and the server does not have yet."""

ELSEWHERE = (
    "/api/v2/",
    "/api/v1/healing",
    "/api/v1/marks",
    "/api/v1/rules",
    "/api/v1/fleet",
    "/api/v1/policies",
    "/api/v1/dead-letters",
    "/prometheus/",
)
"""What workers and control planes answer; this console is alone, and its pages say so."""


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a console over the shop's documents."""
    with console_over("shop", tmp_path_factory.mktemp("console")) as url:
        yield url


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """A browser."""
    with open_chrome(tmp_path_factory.mktemp("profile")) as chrome:
        yield chrome


@pytest.fixture
def browser(chrome: Chrome, console: str) -> Iterator[Chrome]:
    """The browser; after the test, it has complained of nothing and asked nobody but the console."""
    for kind in ("browser", "performance"):
        logged(chrome, kind)
    yield chrome
    complaints = [entry["message"] for entry in logged(chrome, "browser")]
    complaints = [each for each in complaints if not ("404" in each and any(path in each for path in COMING + ELSEWHERE))]
    assert complaints == []
    messages = [json.loads(entry["message"])["message"] for entry in logged(chrome, "performance")]
    asked = {sent["params"]["request"]["url"] for sent in messages if sent["method"] == "Network.requestWillBeSent"}
    assert [url for url in asked if not url.startswith((console, "data:", "chrome:"))] == []
