"""Names and values below each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nicegui import ui

if TYPE_CHECKING:
    from collections.abc import Iterable


def facts(label: str, pairs: Iterable[tuple[str, str, str]]) -> None:
    """A list of name, value, and where the value leads to or nothing. What is empty is left out."""
    with ui.element("dl").classes("sheet facts").props(f'aria-label="{label}"'):
        for name, value, href in pairs:
            if not value:
                continue
            with ui.element("dt"):
                ui.label(name)
            with ui.element("dd").classes("mono"):
                if href:
                    ui.link(value, href)
                else:
                    ui.label(value)
