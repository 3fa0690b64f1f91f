"""Marks the scripts within NiceGUI's pages, so that a browser may refuse all others (Content-Security-Policy)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jinja2 import BaseLoader
from nicegui import client, ui

from components.access.headers import NONCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from jinja2 import Environment


class MarkedScripts(BaseLoader):
    """Templates of another loader in which every script has the answer's nonce; what data adds to a page has none."""

    def __init__(self, inner: BaseLoader) -> None:
        self.inner = inner

    def get_source(self, environment: Environment, template: str) -> tuple[str, str | None, Callable[[], bool] | None]:
        """See `BaseLoader`."""
        source, name, is_current = self.inner.get_source(environment, template)
        return source.replace("<script", f'<script nonce="{{{{ request.state.{NONCE} }}}}"'), name, is_current


def mark_scripts() -> None:
    """Mark those of NiceGUI's pages from now on. Safe twice."""
    environment = client.templates.env
    if environment.loader is not None and not isinstance(environment.loader, MarkedScripts):
        environment.loader = MarkedScripts(environment.loader)
        if environment.cache is not None:
            environment.cache.clear()


def nonce() -> str:
    """That of the page which is being built; empty where nothing asks for it."""
    return str(getattr(ui.context.client.request.state, NONCE, ""))
