"""All pages, put on an app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nicegui import app as nicegui_app
from nicegui import ui

from dashboards.console.nonce import mark_scripts
from dashboards.console.page import Console
from dashboards.console.page_headers import replace_middlewares
from dashboards.console.pages import alert, alerts, anomalies, overview, repairs, service_map, trace, traces

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI

    from dashboards.read_models.reader import Reader
    from telemetry.documents import Body

PAGES = (overview, service_map, traces, trace, anomalies, alerts, alert, repairs)


def add(app: FastAPI, reader: Reader, status: Callable[[], Body], now: Callable[[], int]) -> None:
    """Put every page on the app, below what the app itself answers."""
    console = Console(reader, status, now)
    # NiceGUI keeps one application a process, and it accepts no more middleware once it ran: start with a new one.
    nicegui_app.user_middleware.clear()
    nicegui_app.middleware_stack = None
    mark_scripts()
    for page in PAGES:
        page.add(console)
    ui.run_with(
        app,
        title="Spanloom",
        dark=None,
        language="en-US",
        binding_refresh_interval=None,
        tailwind=False,
        show_welcome_message=False,
    )
    replace_middlewares()
