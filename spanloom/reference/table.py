"""Tables of Markdown."""

from __future__ import annotations


def row(*cells: str) -> str:
    """A row of a table."""
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


def head(*names: str) -> str:
    """The first two lines of a table."""
    return f"{row(*names)}\n{'|---' * len(names)}|"
