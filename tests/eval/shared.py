"""Where the public data are, and how tables are printed."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

WIDTH = 120
"""Columns of the tables in a pipe, which has none of its own."""

SHARED = Path(__file__).parents[3] / "shared"


def scorer(name: str) -> Any:
    """The scorer that comes with the data."""
    spec = importlib.util.spec_from_file_location(name, SHARED / "eval" / f"{name}.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(SHARED / "eval" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def console() -> Console:
    """Standard output, wide enough in a pipe."""
    found = Console()
    if not found.is_terminal:
        found.width = WIDTH
    return found


def print_table(title: str, rows: list[tuple[str, ...]], to: Console | None = None) -> None:
    """Print rows as a table; the first has the names of the columns."""
    table = Table(*rows[0], title=title)
    table.columns[0].no_wrap = True
    for row in rows[1:]:
        table.add_row(*row)
    (to or console()).print(table)
