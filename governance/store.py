"""Revisions in a SQLite file: the store of the embedded deployment, and of one control plane."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, TypeVar

import orjson

from components.private_files import FILE, make_private_folder
from governance.fleet import Reached
from governance.revisions import Revision, Status
from governance.waves.rollout import restore
from telemetry.audit import AuditRecord, Chain
from telemetry.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from governance.waves.rollout import Rollout
    from telemetry.json_object import JsonObject

CHAIN = "governance"
"""The name of the chain of the audit trail."""
FORMAT = 1
MAX_REVISIONS = 10_000
"""Revisions whose documents are kept; of older ones the audit trail still has the digest."""
_BUSY_SECONDS = 10.0
_TABLES = """
create table if not exists revisions (
  number integer primary key, text text not null, digest text not null, author text not null, comment text not null,
  created integer not null, status text not null, why text not null, stable_at integer not null default 0
) strict;
create table if not exists audit (sequence integer primary key, record text not null) strict;
create table if not exists rollout (only_one integer primary key check (only_one = 1), data text not null) strict;
create table if not exists agents (id text primary key, data text not null, history text not null) strict;
"""
Result = TypeVar("Result")


class SqliteStore:
    """See `governance.revisions.RevisionStore`. A change is on disk, with its audit record, when the call returns.

    Raises:
        StoreError: the file cannot be opened, or is of a later release.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._closed = path, False
        self._thread = ThreadPoolExecutor(1, "control-store")
        try:
            make_private_folder(path.parent)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, FILE))  # as ours, before SQLite makes it by the umask
            self._db = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = full")
            found = self._db.execute("pragma user_version").fetchone()[0]
            if found not in {0, FORMAT}:
                raise StoreError(f"{path}: written by a later release (format {found}; this one reads {FORMAT})")
            self._db.executescript(_TABLES)
            self._db.execute(f"pragma user_version = {FORMAT}")
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"{path}: {error}") from error
        self._chain = Chain(CHAIN)
        if last := self._db.execute("select record from audit order by sequence desc limit 1").fetchone():
            record = orjson.loads(last[0])
            self._chain.restore({"version": 1, "name": CHAIN, "sequence": record["sequence"], "head": record["hash"]})

    async def _do(self, work: Callable[[], Result]) -> Result:
        try:
            # On one thread: what a cancelled caller began still ends before the next begins.
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (sqlite3.Error, RuntimeError) as error:
            raise StoreError(f"{self._path}: {error}") from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        before = self._chain.snapshot()
        self._db.execute("begin immediate")
        try:
            yield
            self._db.execute("commit")
        except BaseException:
            self._chain.restore(before)
            if self._db.in_transaction:
                self._db.execute("rollback")
            raise

    def _note(self, now: int, event: str, data: JsonObject) -> None:
        record = self._chain.append(now, event, data)
        self._db.execute("insert into audit values (?, ?)", (record.sequence, orjson.dumps(asdict(record)).decode()))

    async def add(self, text: str, author: str, comment: str, now: int) -> Revision:
        """Keep a draft."""

        def work() -> Revision:
            digest = hashlib.sha256(text.encode()).hexdigest()
            with self._transaction():
                number = self._db.execute("select coalesce(max(number), 0) + 1 from revisions").fetchone()[0]
                row = (number, text, digest, author, comment, now, Status.DRAFT.value)
                self._db.execute("insert into revisions values (?, ?, ?, ?, ?, ?, ?, '', 0)", row)
                superseded = "delete from revisions where number <= ? and status not in ('stable', 'refused')"
                self._db.execute(superseded, (number - MAX_REVISIONS,))
                data = {"revision": str(number), "digest": digest, "author": author, "comment": comment}
                self._note(now, "revision-added", data)
            return Revision(str(number), text, digest, author, comment, now, Status.DRAFT)

        return await self._do(work)

    async def mark(self, number: str, status: Status, why: str, author: str, now: int) -> None:
        """Note what becomes of a revision."""

        def work() -> None:
            with self._transaction():
                stable_at = now if status is Status.STABLE else 0
                change = "update revisions set status = ?, why = ?, stable_at = max(stable_at, ?) where number = ?"
                self._db.execute(change, (status.value, why, stable_at, int(number)))
                self._note(now, f"revision-{status.value}", {"revision": number, "author": author, "why": why})

        await self._do(work)

    async def get(self, number: str) -> Revision | None:
        """One revision."""
        if not number.isdecimal() or len(number) > 15:
            return None
        found = await self._revisions("where number = ?", int(number))
        return found[0] if found else None

    async def history(self, limit: int) -> Sequence[Revision]:
        """The newest revisions, the newest first."""
        return await self._revisions("order by number desc limit ?", limit)

    async def stable(self) -> Revision | None:
        """The revision that became stable last."""
        found = await self._revisions("where status = 'stable' order by stable_at desc, number desc limit ?", 1)
        return found[0] if found else None

    async def _revisions(self, which: str, value: int) -> list[Revision]:
        def work() -> list[Revision]:
            columns = "number, text, digest, author, comment, created, status, why"
            with closing(self._db.execute(f"select {columns} from revisions {which}", (value,))) as rows:  # noqa: S608 - ours
                return [_revision(*row) for row in rows]

        return await self._do(work)

    async def refused_digests(self) -> frozenset[str]:
        """Of texts that an agent refused."""
        query = "select digest from revisions where status = 'refused'"
        return await self._do(lambda: frozenset(row[0] for row in self._db.execute(query)))

    async def keep_rollout(self, rollout: Rollout | None, now: int) -> None:
        """Note how far a revision is."""

        def work() -> None:
            with self._transaction():
                if rollout is None:
                    self._db.execute("delete from rollout")
                    return
                data = rollout.snapshot()
                self._db.execute("insert or replace into rollout values (1, ?)", (orjson.dumps(data).decode(),))
                step = {key: data[key] for key in ("revision", "before", "wave", "state", "why")}
                self._note(now, "rollout", step)

        await self._do(work)

    async def rollout(self) -> Rollout | None:
        """How far a revision was when that was last noted."""
        found = await self._do(lambda: self._db.execute("select data from rollout").fetchone())
        return restore(orjson.loads(found[0])) if found else None

    async def keep_agents(self, reached: Iterable[tuple[str, JsonObject, Sequence[Reached]]]) -> None:
        """Note agents, and what became of revisions there."""
        rows = [
            (agent, orjson.dumps(data).decode(), orjson.dumps([asdict(each) for each in history]).decode())
            for agent, data, history in reached
        ]

        def work() -> None:
            with self._transaction():
                self._db.executemany("insert or replace into agents values (?, ?, ?)", rows)

        await self._do(work)

    async def agents(self) -> Sequence[tuple[str, JsonObject, Sequence[Reached]]]:
        """The agents that were noted."""

        def work() -> list[tuple[str, JsonObject, Sequence[Reached]]]:
            rows = self._db.execute("select id, data, history from agents").fetchall()
            return [(row[0], orjson.loads(row[1]), [Reached(**each) for each in orjson.loads(row[2])]) for row in rows]

        return await self._do(work)

    async def remove_agents(self, ids: Iterable[str]) -> None:
        """Keep nothing of these agents."""
        rows = [(each,) for each in ids]

        def work() -> None:
            with self._transaction():
                self._db.executemany("delete from agents where id = ?", rows)

        await self._do(work)

    async def audit(self, after: int, limit: int) -> Sequence[AuditRecord]:
        """Records of the audit trail with a higher number, in order."""
        query = "select record from audit where sequence > ? order by sequence limit ?"
        rows = await self._do(lambda: self._db.execute(query, (after, limit)).fetchall())
        return [AuditRecord(**orjson.loads(row[0])) for row in rows]

    async def close(self) -> None:
        """Let go of the file; twice is safe."""
        if not self._closed:
            self._closed = True
            await self._do(self._db.close)
            self._thread.shutdown(wait=False)


def _revision(number: int, text: str, digest: str, author: str, comment: str, created: int, status: str, why: str) -> Revision:
    return Revision(str(number), text, digest, author, comment, created, Status(status), why)
