"""A figure with its name."""

from __future__ import annotations

from nicegui import ui


def tile(name: str, value: str, tone: str = "", href: str = "") -> None:
    """A figure with its name, which may lead to where it comes from. `tone` as of `table.Cell`."""
    with ui.link(target=href).classes("tile") if href else ui.element("div").classes("tile"):
        ui.label(name).classes("name")
        ui.label(value).classes(f"value {tone}")
