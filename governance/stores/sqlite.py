"""Revisions in a SQLite file: the store of the embedded deployment, and of one control plane."""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from components.private_files import FILE, make_private_folder
from governance.stores.sql import SqlStore
from telemetry.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from governance.stores.sql import Cell, Row

FORMAT = 2
"""1 had no drafts: it is read, and becomes 2 when the file is opened."""
READABLE = frozenset({1, FORMAT})
_BUSY_SECONDS = 10.0
_TABLES = """
create table if not exists revisions (
  number integer primary key, text text not null, digest text not null, author text not null, comment text not null,
  created integer not null, status text not null, why text not null, stable_at integer not null default 0
) strict;
create table if not exists audit (sequence integer primary key, record text not null) strict;
create table if not exists rollout (only_one integer primary key check (only_one = 1), data text not null) strict;
create table if not exists agents (id text primary key, data text not null, history text not null) strict;
create table if not exists deliveries (service text primary key, data text not null) strict;
create table if not exists drafts (number integer primary key, data text not null) strict;
"""


class SqliteStore(SqlStore):
    """Revisions in a file.

    Raises:
        StoreError: the file cannot be opened, or is of a later release.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(lambda: _File(path))


class _File:
    """See `governance.stores.sql.Database`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            make_private_folder(path.parent)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, FILE))  # as ours, before SQLite makes it by the umask
            self._db = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = full")
            found = self._db.execute("pragma user_version").fetchone()[0]
            if found and found not in READABLE:
                raise StoreError(f"{path}: written by a later release (format {found}; this one reads {FORMAT})")
            self._db.executescript(_TABLES)
            self._db.execute(f"pragma user_version = {FORMAT}")
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"{path}: {error}") from error

    def run(self, statement: str, parameters: Sequence[Cell] = ()) -> list[Row]:
        """The rows that a statement gives."""
        try:
            return self._db.execute(statement, parameters).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: {error}") from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of the block or nothing."""
        self.run("begin immediate")
        try:
            yield
            self.run("commit")
        except BaseException:
            if self._db.in_transaction:
                self.run("rollback")
            raise

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()
