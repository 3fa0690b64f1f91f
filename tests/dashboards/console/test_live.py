"""Live views in a real browser: what happens appears without a reload and without a poll, and polling is the fallback."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.dashboards import news
from tests.dashboards.console.browser import DESK, console_with_news, logged, needs_chromium, resize, see, settled, text, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from selenium.webdriver import Chrome

pytestmark = needs_chromium

EVENTS = "/api/v1/events"


@pytest.fixture
def live(chrome: Chrome, tmp_path: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """The address of a console that nobody refreshes, and what makes news happen."""
    with console_with_news("shop", tmp_path) as (url, happen):
        resize(chrome, DESK)
        chrome.get(f"{url}/healthz")
        chrome.execute_script("localStorage.setItem('spanloom.refresh', 'off')")
        logged(chrome, "performance")
        yield url, happen
        chrome.execute_cdp_cmd("Network.setBlockedURLs", {"urls": []})
        chrome.execute_script("localStorage.clear()")
        chrome.get("about:blank")


def asked(chrome: Chrome) -> list[str]:
    """The paths that were asked for since the last time."""
    messages = [json.loads(entry["message"])["message"] for entry in logged(chrome, "performance")]
    return [
        urlsplit(sent["params"]["request"]["url"]).path for sent in messages if sent["method"] == "Network.requestWillBeSent"
    ]


def streaming(chrome: Chrome) -> bool:
    return bool(chrome.execute_script("return document.documentElement.dataset.live === 'stream'"))


@pytest.mark.parametrize(
    ("path", "shown"),
    [("/", "Open incident"), ("/incidents", "restart-the-culprit on shipping"), ("/alerts", news.ALERT)],
    ids=["home", "incidents", "alerts"],
)
def test_news_appear_by_one_stream_where_nothing_is_polled(
    chrome: Chrome, live: tuple[str, Callable[[], None]], path: str, shown: str
) -> None:
    url, happen = live
    chrome.get(f"{url}{path}")
    settled(chrome)
    until(chrome, lambda: streaming(chrome))
    assert shown not in text(chrome)
    before = asked(chrome)
    happen()
    see(chrome, shown)
    assert [*before, *asked(chrome)].count(EVENTS) == 1


def test_without_a_stream_the_pages_poll_and_return_to_it(chrome: Chrome, live: tuple[str, Callable[[], None]]) -> None:
    url, happen = live
    chrome.execute_cdp_cmd("Network.enable", {})
    chrome.execute_cdp_cmd("Network.setBlockedURLs", {"urls": [f"*{EVENTS}*"]})
    chrome.execute_script("localStorage.setItem('spanloom.refresh', '5s')")
    chrome.get(f"{url}/alerts")
    settled(chrome)
    happen()
    see(chrome, news.ALERT)
    assert not streaming(chrome)
    assert "does not answer" not in text(chrome)
    chrome.execute_cdp_cmd("Network.setBlockedURLs", {"urls": []})
    until(chrome, lambda: streaming(chrome))
    logged(chrome, "browser")  # which mentions what was blocked
