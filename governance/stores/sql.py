"""Revisions in tables: what both databases have in common.

Every change is one transaction with its record of the audit trail. Transactions that write run one after the other, also
those of several control planes: each reads the end of the trail first, so that the chain never forks.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

import orjson

from governance.fleet import Reached
from governance.revisions import ALONE, Draft, LostConnectionError, OutdatedError, Revision, Status, digest_of, draft_of
from governance.waves.rollout import restore
from telemetry.audit import AuditRecord, Chain
from telemetry.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from governance.revisions import Look
    from governance.waves.rollout import Rollout
    from telemetry.json_object import JsonObject

CHAIN = "governance"
"""The name of the chain of the audit trail."""
MAX_REVISIONS = 10_000
"""Revisions whose documents are kept; of older ones the audit trail still has the digest."""
PAUSES = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
"""Seconds between tries to reach a server that is away; then whoever asked gets the error."""
LAST = "select record from audit order by sequence desc limit 1"
_COLUMNS = "number, text, digest, author, comment, created, status, why"
_FROM_DRAFT = frozenset({Status.RELEASED, Status.REJECTED, Status.EXPIRED})
"""What becomes only of a draft."""
Result = TypeVar("Result")
Cell = str | int | None
Row = tuple[Cell, ...]


class Database(Protocol):
    """A connection, used by one thread. Statements have `?` for parameters.

    Raises:
        StoreError: from every method, with the reason.
    """

    def run(self, statement: str, parameters: Sequence[Cell] = ()) -> list[Row]:
        """The rows that a statement gives; none for one that gives none."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """Until the block ends nobody else writes, and all of it is kept or nothing."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class SqlStore:
    """See `governance.revisions.RevisionStore`. A change is on disk, with its audit record, when the call returns."""

    def __init__(self, open_database: Callable[[], Database], sleep: Callable[[float], None] = time.sleep) -> None:
        self._closed, self._sleep = False, sleep
        self._thread = ThreadPoolExecutor(1, "control-store")
        self._db = open_database()

    async def _do(self, work: Callable[[], Result]) -> Result:
        # On one thread: what a cancelled caller began still ends before the next begins.
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: self._try(work))
        except RuntimeError as error:  # the thread is gone
            raise StoreError(f"the store of the control plane is closed: {error}") from error

    def _try(self, work: Callable[[], Result]) -> Result:
        for pause in PAUSES:
            try:
                return work()
            except LostConnectionError:
                self._sleep(pause)
        return work()

    @contextmanager
    def _change(self) -> Iterator[Chain]:
        with self._db.transaction():
            chain = Chain(CHAIN)
            if last := self._db.run(LAST):
                record = _json(last[0][0])
                chain.restore({"version": 1, "name": CHAIN, "sequence": record["sequence"], "head": record["hash"]})
            yield chain

    def _note(self, chain: Chain, now: int, event: str, data: JsonObject) -> None:
        record = chain.append(now, event, data)
        self._db.run("insert into audit values (?, ?)", (record.sequence, orjson.dumps(asdict(record)).decode()))

    async def add(self, text: str, author: str, comment: str, now: int, draft: Draft | None = None) -> Revision:
        """Keep a revision; with `draft` it waits for somebody to decide."""

        def work() -> Revision:
            digest = digest_of(text)
            with self._change() as chain:
                number = as_int(self._db.run("select coalesce(max(number), 0) + 1 from revisions")[0][0])
                row = (number, text, digest, author, comment, now, Status.DRAFT.value)
                self._db.run("insert into revisions values (?, ?, ?, ?, ?, ?, ?, '', 0)", row)
                superseded = "delete from revisions where number <= ? and status not in ('stable', 'refused')"
                self._db.run(superseded, (number - MAX_REVISIONS,))
                data = {"revision": str(number), "digest": digest, "author": author, "comment": comment}
                if draft is not None:
                    self._db.run("insert into drafts values (?, ?)", (number, draft.encode()))
                    data |= {"draft": "waits", "against": draft.against}
                self._note(chain, now, "revision-added", data)
            return Revision(str(number), text, digest, author, comment, now, Status.DRAFT)

        return await self._do(work)

    async def mark(self, number: str, status: Status, why: str, author: str, now: int) -> None:
        """Note what becomes of a revision."""

        def work() -> None:
            with self._change() as chain:
                self._mark(chain, number, status, why, author, now)

        await self._do(work)

    def _mark(self, chain: Chain, number: str, status: Status, why: str, author: str, now: int) -> None:
        if status in _FROM_DRAFT:
            found = self._db.run("select status from revisions where number = ?", (int(number),))
            if not found or found[0][0] != Status.DRAFT.value:
                raise OutdatedError(f"revision {number} is {found[0][0] if found else 'gone'}: somebody else was first")
        self._db.run("delete from drafts where number = ?", (int(number),))
        self._db.run("update revisions set status = ?, why = ? where number = ?", (status.value, why, int(number)))
        if status is Status.STABLE:
            self._db.run("update revisions set stable_at = ? where number = ? and stable_at < ?", (now, int(number), now))
        self._note(chain, now, f"revision-{status.value}", {"revision": number, "author": author, "why": why})

    async def drafts(self) -> Sequence[tuple[Revision, Draft]]:
        """Revisions that wait, the oldest first."""
        columns = ", ".join(f"revisions.{each}" for each in _COLUMNS.split(", "))
        query = f"select {columns}, drafts.data from drafts join revisions on revisions.number = drafts.number"  # noqa: S608 - ours
        rows = await self._do(lambda: self._db.run(f"{query} order by drafts.number"))
        return [(_revision(row[:-1]), draft_of(_str(row[-1]))) for row in rows]

    async def keep_draft(self, number: str, before: Draft, draft: Draft, author: str, now: int) -> None:
        """Note an approval."""

        def work() -> None:
            with self._change() as chain:
                found = self._db.run("select data from drafts where number = ?", (int(number),))
                if not found or draft_of(_str(found[0][0])) != before:
                    raise OutdatedError(f"revision {number}: somebody else decided meanwhile")
                self._db.run("update drafts set data = ? where number = ?", (draft.encode(), int(number)))
                against = draft.approvals[-1].against
                self._note(chain, now, "revision-approved", {"revision": number, "author": author, "against": against})

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
        query = f"select {_COLUMNS} from revisions {which}"  # noqa: S608 - ours
        return [_revision(row) for row in await self._do(lambda: self._db.run(query, (value,)))]

    async def refused_digests(self) -> frozenset[str]:
        """Of texts that an agent refused."""
        query = "select digest from revisions where status = 'refused'"
        return frozenset(_str(row[0]) for row in await self._do(lambda: self._db.run(query)))

    async def keep_rollout(
        self, rollout: Rollout, now: int, *, before: Rollout | None, status: Status | None = None, author: str = ""
    ) -> None:
        """Note how far a revision is, and with `status` what becomes of it."""

        def work() -> None:
            with self._change() as chain:
                found = self._db.run("select data from rollout")
                kept = restore(_json(found[0][0])) if found else None
                if kept != before:
                    raise OutdatedError("another control plane went on meanwhile; look at the rollout again")
                data = rollout.snapshot()
                if status is not None:
                    self._mark(chain, rollout.revision, status, rollout.why if rollout.ended else "", author, now)
                self._db.run("delete from rollout")
                self._db.run("insert into rollout values (1, ?)", (orjson.dumps(data).decode(),))
                step = {key: data[key] for key in ("revision", "before", "wave", "state", "why")}
                self._note(chain, now, "rollout", step)

        await self._do(work)

    async def rollout(self) -> Rollout | None:
        """How far a revision was when that was last noted."""
        found = await self._do(lambda: self._db.run("select data from rollout"))
        return restore(_json(found[0][0])) if found else None

    async def keep_delivery(
        self, service: str, data: JsonObject | None, note: JsonObject, now: int, *, before: JsonObject | None
    ) -> None:
        """Keep how far a delivery is, nothing of it for None; `note` goes on the audit trail."""

        def work() -> None:
            with self._change() as chain:
                found = self._db.run("select data from deliveries where service = ?", (service,))
                if (_json(found[0][0]) if found else None) != orjson.loads(orjson.dumps(before)):
                    raise OutdatedError("another control plane went on meanwhile; look at the delivery again")
                self._db.run("delete from deliveries where service = ?", (service,))
                if data is not None:
                    self._db.run("insert into deliveries values (?, ?)", (service, orjson.dumps(data).decode()))
                self._note(chain, now, "delivery", note)

        await self._do(work)

    async def deliveries(self) -> Sequence[tuple[str, JsonObject]]:
        """The deliveries that are kept, by service."""
        rows = await self._do(lambda: self._db.run("select service, data from deliveries order by service"))
        return [(_str(row[0]), _json(row[1])) for row in rows]

    async def keep_agents(self, reached: Iterable[tuple[str, JsonObject, Sequence[Reached]]]) -> None:
        """Note agents, and what became of revisions there."""
        rows = [row for row, _ in agent_rows(reached)]
        insert = "insert into agents (id, data, history) values (?, ?, ?)"
        update = "on conflict (id) do update set data = excluded.data, history = excluded.history"

        def work() -> None:
            with self._db.transaction():
                for row in rows:
                    self._db.run(f"{insert} {update}", row)

        await self._do(work)

    async def agents(self) -> Sequence[tuple[str, JsonObject, Sequence[Reached]]]:
        """The agents that were noted."""
        rows = await self._do(lambda: self._db.run("select id, data, history from agents"))
        return [saved_agent(row) for row in rows]

    async def remove_agents(self, ids: Iterable[str]) -> None:
        """Keep nothing of these agents."""
        gone = list(ids)

        def work() -> None:
            with self._db.transaction():
                for each in gone:
                    self._db.run("delete from agents where id = ?", (each,))

        await self._do(work)

    async def audit(self, after: int, limit: int) -> Sequence[AuditRecord]:
        """Records of the audit trail with a higher number, in order."""
        query = "select record from audit where sequence > ? order by sequence limit ?"
        rows = await self._do(lambda: self._db.run(query, (after, limit)))
        return [AuditRecord(**_json(row[0])) for row in rows]

    async def look(self) -> Look:
        """Nobody shares it."""
        return ALONE

    async def close(self) -> None:
        """Let go of the database; twice is safe."""
        if not self._closed:
            self._closed = True
            await self._do(self._db.close)
            self._thread.shutdown(wait=False)


def agent_rows(
    reached: Iterable[tuple[str, JsonObject, Sequence[Reached]]],
) -> list[tuple[tuple[str, str, str], JsonObject]]:
    """Id, data and history of agents as they are kept, each with its data."""
    return [
        ((agent, orjson.dumps(data).decode(), orjson.dumps([asdict(each) for each in history]).decode()), data)
        for agent, data, history in reached
    ]


def saved_agent(row: Row) -> tuple[str, JsonObject, Sequence[Reached]]:
    """An agent out of its id, data and history."""
    return _str(row[0]), _json(row[1]), [Reached(**each) for each in orjson.loads(_str(row[2]))]


def _revision(row: Row) -> Revision:
    number, text, digest, author, comment, created, status, why = row
    said = (_str(text), _str(digest), _str(author), _str(comment))
    return Revision(str(number), *said, as_int(created), Status(_str(status)), _str(why))


def _json(cell: Cell) -> JsonObject:
    found: JsonObject = orjson.loads(_str(cell))
    return found


def _str(cell: Cell) -> str:
    return cast("str", cell)


def as_int(cell: Cell) -> int:
    """What a column of numbers holds."""
    return cast("int", cell)
