from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from nicegui import app as nicegui_app
from nicegui import ui

from dashboards.console.page_headers import DYNAMIC, STATIC, PageHeaders, replace_middlewares

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send


async def headers_of(path: str, *, location: str = "", prefix: str = "") -> dict[str, str]:
    """Those of an answer to a request of the path, through the middleware."""
    sent: list[Message] = []

    async def answer(_scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [(b"location", location.encode())] if location else []
        await send({"type": "http.response.start", "status": 302 if location else 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    asked: dict[str, Any] = {"type": "http", "path": path, "headers": [(b"x-forwarded-prefix", prefix.encode())]}
    await PageHeaders(answer)(asked, receive, send)
    return {name.decode(): value.decode() for name, value in sent[0]["headers"]}


@pytest.fixture(autouse=True)
def _configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nicegui_app.config, "cache_control_directives", "public, max-age=9", raising=False)


async def test_files_of_this_version_are_kept_and_what_is_made_for_a_page_is_not() -> None:
    assert (await headers_of(f"{STATIC}static/a.js"))["cache-control"] == "public, max-age=9"
    assert "cache-control" not in await headers_of(f"{DYNAMIC}a.js")
    assert "cache-control" not in await headers_of("/traces")


async def test_a_redirect_within_the_console_stays_below_the_prefix_of_the_proxy() -> None:
    assert (await headers_of("/", location="/traces", prefix="/spanloom"))["location"] == "/spanloom/traces"
    assert (await headers_of("/", location="https://idp.example/", prefix="/spanloom"))["location"] == "https://idp.example/"


async def test_a_browser_that_goes_away_before_the_answer_raises_nothing() -> None:
    async def gone(_scope: Scope, _receive: Receive, _send: Send) -> None:
        """What NiceGUI does where nobody waits for the page any more: nothing."""

    async def nothing(*_: object) -> Any:
        raise AssertionError

    await PageHeaders(gone)({"type": "http", "path": "/", "headers": []}, nothing, nothing)


def test_no_middleware_of_nicegui_is_left_before_the_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nicegui_app, "user_middleware", [])
    nicegui_app.middleware_stack, kept = None, nicegui_app.middleware_stack
    try:
        ui.run_with(FastAPI(), show_welcome_message=False)
        assert {each.cls.__module__ for each in nicegui_app.user_middleware} >= {"nicegui.middlewares"}
        replace_middlewares()
        assert next(each.cls.__module__ for each in nicegui_app.user_middleware) == PageHeaders.__module__
        assert "nicegui.middlewares" not in {each.cls.__module__ for each in nicegui_app.user_middleware}
    finally:
        nicegui_app.middleware_stack = kept
