"""The shop's SQLite database: products and their stock."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PRODUCTS = (
    ("loom", "Table loom", 18900),
    ("shuttle", "Boat shuttle", 2450),
    ("bobbin", "Beech bobbin", 390),
    ("heddle", "Texsolv heddle", 120),
    ("reed", "Stainless reed", 5200),
    ("warp", "Cotton warp, 1 kg", 2780),
    ("weft", "Wool weft, 1 kg", 3460),
    ("temple", "Weaver's temple", 4100),
)
STOCKED = 1_000


def create(file: Path) -> None:
    """Make the database with its products, if it is not there."""
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE IF NOT EXISTS product (id TEXT PRIMARY KEY, name TEXT NOT NULL, price INTEGER NOT NULL)")
        database.execute("CREATE TABLE IF NOT EXISTS stock (product TEXT PRIMARY KEY, quantity INTEGER NOT NULL)")
        database.executemany("INSERT OR IGNORE INTO product VALUES (?, ?, ?)", PRODUCTS)
        database.executemany("INSERT OR IGNORE INTO stock VALUES (?, ?)", [(product, STOCKED) for product, _, _ in PRODUCTS])


@contextmanager
def opened(file: Path) -> Iterator[sqlite3.Cursor]:
    """A cursor of a connection of one request: committed at its end, rolled back when it fails.

    A cursor, for the instrumentation sees its `execute` and not that of the connection.
    """
    # Looked up at call time: the instrumentation replaces sqlite3.connect.
    with closing(sqlite3.connect(file, timeout=2.0)) as database:
        yield database.cursor()
        database.commit()
