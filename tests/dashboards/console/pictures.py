"""`python -m tests.dashboards.console.pictures URL FOLDER`: the pictures of docs/pictures, of a console that runs.

They are made from the demo, some minutes after its fault: `make run`, then this.
"""

from __future__ import annotations

import base64
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2

from tests.dashboards.console.browser import open_chrome, resize, settled, text, theme, until

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

SIZE = (1200, 680)
UNFINISHED = ("Loading", "Arranging")
"""What a page says before it has its data."""


def pages(url: str) -> dict[str, str]:
    """The path of each picture; of a trace and of an incident where there is one."""
    found = {
        "home": "",
        "service": "services/payment",
        "map": "map",
        "traces": "traces",
        "logs": "logs",
        "alerts": "alerts",
        "rules": "rules",
        "system": "system",
    }
    with httpx2.Client(base_url=url, timeout=60) as client:
        traces = client.get("/api/v1/find", params={"kind": "trace", "limit": 200, "where": "services:payment"}).json()
        incidents = client.get("/api/v1/find", params={"kind": "incident", "limit": 200}).json()
    if traces:
        found["trace"] = f"traces/{max(traces, key=lambda trace: trace['span_count'])['trace_id']}"
    if incidents:
        found["incident"] = f"incidents/{incidents[-1]['id']}"
    return found


def shoot(browser: Chrome, address: str, file: Path) -> None:
    """One picture, in the light theme."""
    browser.get(address)
    settled(browser)
    theme(browser, "light")
    until(browser, lambda: not any(word in text(browser) for word in UNFINISHED))
    taken = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
    file.write_bytes(base64.b64decode(taken["data"]))


def main(url: str, folder: Path) -> None:
    """All of them."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as profile, open_chrome(Path(profile)) as browser:
        resize(browser, SIZE)
        for name, path in pages(url).items():
            shoot(browser, f"{url}/{path}", folder / f"{name}.png")
            print(name, (folder / f"{name}.png").stat().st_size)  # noqa: T201 - what it is run for


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
