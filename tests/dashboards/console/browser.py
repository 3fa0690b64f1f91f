"""A real Chromium over a console in a process of its own, and what tests ask of a page."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from selenium.webdriver import Chrome

ROOT = Path(__file__).parents[3]
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
WAIT_SECONDS = 60
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1440,1200",
)

needs_chromium = pytest.mark.skipif(
    not (CHROMIUM and DRIVER),
    reason="needs chromium and chromedriver in PATH (Debian: apt-get install chromium chromium-driver)",
)

AXE = ROOT / "dashboards" / "console" / "node_modules" / "axe-core" / "axe.min.js"
"""Judges accessibility; `make console-setup` installs it."""

DESK, PHONE = (1440, 900), (390, 844)
"""Widths at which every page is looked at."""


@contextmanager
def console_over(what: str, folder: Path) -> Iterator[str]:
    """The address of a console over the shop's documents, over those of two environments, or over nothing."""
    with console_with_news(what, folder) as (url, _):
        yield url


@contextmanager
def console_with_news(what: str, folder: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """The same, and what makes the news of `tests.dashboards.news` happen."""
    command = [sys.executable, "-m", "tests.dashboards.serve", str(folder), what]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        stdin = process.stdin

        def happen() -> None:
            stdin.write("\n")
            stdin.flush()

        yield process.stdout.readline().strip(), happen
        process.communicate("", timeout=WAIT_SECONDS)
        assert process.returncode == 0


@contextmanager
def open_chrome(profile: Path) -> Iterator[Chrome]:
    """A browser that keeps what pages log and ask for."""
    options = Options()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield chrome
    chrome.quit()


def logged(chrome: Chrome, kind: str) -> list[dict[str, Any]]:
    """What the browser has logged since the last time."""
    entries: list[dict[str, Any]] = chrome.get_log(kind)  # type: ignore[no-untyped-call]  # selenium's
    return entries


def until(browser: Chrome, holds: Callable[[], bool]) -> None:
    """Wait until it holds."""
    WebDriverWait(browser, WAIT_SECONDS).until(lambda _: holds())


def text(browser: Chrome) -> str:
    """All that the page says."""
    shown: str = browser.execute_script("return document.body.innerText")
    return shown


def see(browser: Chrome, *parts: str) -> None:
    """Wait until the page says all of these."""
    until(browser, lambda: all(part in text(browser) for part in parts))


def click(browser: Chrome, by: str, what: str) -> None:
    """Click it, in whichever rendering of the page it stands still."""

    def clicked() -> bool:
        try:
            browser.find_element(by, what).click()
        except StaleElementReferenceException:
            return False
        return True

    until(browser, clicked)


def table(browser: Chrome, label: str) -> list[list[str]]:
    """The cells of a table by row, once it has some."""
    script = """return [...document.querySelectorAll(`[aria-label="${arguments[0]}"] tbody tr`)]
        .map(row => [...row.cells].map(cell => cell.innerText.trim()))"""
    until(browser, lambda: bool(browser.execute_script(script, label)))
    rows: list[list[str]] = browser.execute_script(script, label)
    return rows


def resize(browser: Chrome, size: tuple[int, int]) -> None:
    """Give the page this width and height; a phone's browser is narrower than any window."""
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def settled(browser: Chrome) -> None:
    """Wait until the page has a heading and nothing of it is loading."""
    script = """return document.querySelectorAll("main h1").length === 1
        && !document.querySelector('main .loading, main [aria-busy="true"]')"""
    until(browser, lambda: bool(browser.execute_script(script)))


def theme(browser: Chrome, name: str) -> None:
    """Show the page in the `light` or `dark` theme."""
    browser.execute_script(
        "document.documentElement.dataset.theme = arguments[0]; dispatchEvent(new Event('spanloom-theme'))", name
    )


def violations(browser: Chrome, *rules: str) -> list[str]:
    """What axe finds wrong with the page, by all of its rules or by these. The test is skipped where axe is not installed."""
    if not AXE.exists():
        pytest.skip("axe-core is not installed: make console-setup")
    if not browser.execute_script("return 'axe' in window"):
        browser.execute_script(AXE.read_text())
    found: list[str] = browser.execute_async_script(
        """const [rules, done] = arguments;
        axe.run(document, rules.length ? {runOnly: {type: "rule", values: rules}} : {}).then(found => done(found.violations.map(
            each => `${each.id}: ${each.help}: ` + each.nodes.slice(0, 5).map(node => node.html.slice(0, 160)).join(" | "))),
            error => done([String(error)]))""",
        list(rules),
    )
    return found


def shoot(browser: Chrome, name: str) -> None:
    """Write a picture of the page into the folder that CONSOLE_SHOTS names, where it names one."""
    folder = os.environ.get("CONSOLE_SHOTS")
    if not folder:
        return
    taken = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
    path = Path(folder) / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(base64.b64decode(taken["data"]))
