"""The embedded store: one DuckDB file, one process.

Writes that wait while another is under way are committed together: one transaction, one fsync. An id that is new is recognised
by 64 bits of its MD5, kept in memory; any other is looked up and compared in full (docs/decisions/020-duckdb-ids.md).
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import duckdb

from components.private_files import make_private_folder, narrow
from stores.checks import check_keyword
from stores.duckdb.arrow import STRING, Columns
from stores.duckdb.attributes.index import AttributeIndex
from stores.duckdb.attributes.newest import NewestAttributes
from stores.duckdb.bodies import bodies
from stores.duckdb.columns import ID, INDEXED, KEY, ROW, quoted
from stores.duckdb.counts.aggregates import DuckDbAggregates
from stores.duckdb.counts.totals import totals
from stores.duckdb.keys import KeySet
from stores.duckdb.retention import retain, used_bytes
from stores.duckdb.rows import first_rows, table
from stores.duckdb.schema import prepare, transaction
from stores.duckdb.sql import count, environments, select, values
from stores.layout import LAYOUT
from stores.store import Capabilities, QueryTimeoutError, Rejected, Usage, Written
from telemetry.errors import InUseError, StoreError
from telemetry.sentences.wording import Wording

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from stores.duckdb.keys import Keys
    from stores.duckdb.rows import Row
    from stores.store import Aggregation, Query, Retention, Totals
    from telemetry.documents import Body, Document, Kind

GROUP = 20_000
"""Documents of one transaction at most, whole batches aside. More would hold up the first of the waiting."""

WRITE = 8000
"""Documents that a call of `write` should have. Its transaction and its statements cost nearly the same with 2,000."""

CHECKPOINT = "128MB"
"""How large DuckDB's log grows before a checkpoint. Each one writes again the row groups of which only the end has changed: at
DuckDB's own 16 MB that was two fifths of the cost of a write. After a crash so much is read again, in 0.4 CPU-seconds."""

WAITING = 200_000
"""Documents that may wait to be written. At 1 kB each that is 200 MB: past it writers get an error and retry."""

Found = TypeVar("Found")

READERS = 4
BOUNDED_READERS = 2
"""Threads for queries without a bound, which are the pipeline's, and for those with one, which are people's."""

ENCODERS = 4
"""Threads that make rows, which no reader holds up. With one, each batch is there alone and gets a commit of its own; with
several, those that wait are often ready together and share one, for a twentieth of the CPU time less."""

INTERRUPT_EVERY = 0.1


class LockedError(InUseError, StoreError):
    """Another process has the file open."""


@dataclass(slots=True)
class _Batch:
    """One call of `write` that waits. Rows by kind and id, the first of each id."""

    rows: dict[Kind, dict[str, Row]]
    rejected: tuple[Rejected, ...]
    size: int
    stored: asyncio.Future[Written] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class DuckDbStore:
    """A `Store` in one DuckDB file. Opened when made; of one event loop.

    Args:
        path: the file; made with its folder when missing.
        memory_limit: what DuckDB may use before it spills to disk, as it writes sizes ("512MB").
        threads: of DuckDB; for one query at a time two are plenty.

    Raises:
        LockedError: another process has the file open.
        SchemaError: the file has another schema.
        StoreError: it is no DuckDB file, or cannot be opened.
    """

    def __init__(self, path: Path, memory_limit: str = "512MB", threads: int = 2) -> None:
        self._path = path
        make_private_folder(path.parent)
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory_limit,
            "threads": threads,
            "checkpoint_threshold": CHECKPOINT,
        }
        try:
            self._database = duckdb.connect(str(path), config=settings)
        except duckdb.Error as error:
            raise open_error(path, error) from error
        narrow([path, path.with_name(path.name + ".wal")])
        try:
            prepare(self._database, str(path))
            self._connection = self._database.cursor()  # the writer's; readers make their own
            self._keys = _all_keys(self._connection)
            self._index = AttributeIndex(self._connection)
            self._newest = NewestAttributes(self._connection, self._index)
        except BaseException:
            self._database.close()
            raise
        self._writer = ThreadPoolExecutor(1, "duckdb-writer")
        self._encoder = ThreadPoolExecutor(ENCODERS, "duckdb-encoder")
        self._readers = ThreadPoolExecutor(READERS, "duckdb-reader")
        self._bounded_readers = ThreadPoolExecutor(BOUNDED_READERS, "duckdb-bounded-reader")
        self._waiting: list[_Batch] = []
        self._waiting_size = 0
        self._flushing: asyncio.Task[None] | None = None
        self._writes = self._not_indexed = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False
        self.aggregates = DuckDbAggregates(self._read, self._newest.reading)

    def capabilities(self) -> Capabilities:
        """One process; found at once; retention by age and size."""
        return Capabilities(immediate=True, size_retention=True, age_retention=True, write=WRITE)

    async def write(self, documents: Sequence[Document]) -> Written:
        """Store what is not there yet, in one transaction with what else waits; durable on return.

        Raises:
            StoreError: the file cannot be written, or more than `WAITING` documents wait; writing the same batch again is safe.
        """
        self._check_open()
        if self._waiting_size and self._waiting_size + len(documents) > WAITING:
            raise StoreError(Wording.WRITES_WAIT(store=str(self._path), documents=self._waiting_size))
        self._waiting_size += len(documents)
        self._writes += 1
        self._idle.clear()
        try:
            loop = asyncio.get_running_loop()
            rows, rejected = await loop.run_in_executor(self._encoder, first_rows, documents)
            batch = _Batch(rows, rejected, len(documents))
            self._waiting.append(batch)
            if self._flushing is None or self._flushing.done():
                self._flushing = asyncio.create_task(self._flush(), name="duckdb-flush")
            return await batch.stored
        finally:
            self._waiting_size -= len(documents)
            self._writes -= 1
            if not self._writes:
                self._idle.set()

    async def find(self, query: Query) -> list[Body]:
        """The documents of a query, each with `_id` and `@timestamp`."""

        def ask(cursor: DuckDBPyConnection) -> list[Body]:
            with self._newest.reading(cursor, query) as indexed:
                return bodies(query, cursor.execute(*select(query, indexed)))

        return await self._read(ask, query.seconds)

    async def count(self, query: Query) -> int:
        """How many documents a query has."""

        def ask(cursor: DuckDBPyConnection) -> int:
            with self._newest.reading(cursor, query) as indexed:
                return int(cursor.execute(*count(query, indexed)).fetchall()[0][0])

        return await self._read(ask, query.seconds)

    async def environments(self, query: Query) -> list[str]:
        """The environments that a query's documents name."""
        sql, parameters = environments(query)
        return await self._read(lambda cursor: [name for (name,) in cursor.execute(sql, parameters).fetchall()], query.seconds)

    async def values(self, query: Query, field: str) -> list[str]:
        """The values of a keyword field in a query's documents."""
        check_keyword(query.kind, field)
        sql, parameters = values(query, field)
        return await self._read(
            lambda cursor: [value for (value,) in cursor.execute(sql, parameters).fetchall()], query.seconds
        )

    async def totals(self, asked: Aggregation) -> list[Totals]:
        """What a query's documents add up to."""
        return await self._read(partial(totals, asked), asked.query.seconds)

    async def refresh(self, kinds: Sequence[Kind]) -> None:
        """Nothing: what is written is found."""

    async def retain(self, retention: Retention, now: int) -> int:
        """Delete what is older than the retention, then the oldest until the used part of the file fits."""
        self._check_open()
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._retain, retention, now)

    async def usage(self) -> Usage:
        """Documents by kind, and the used part of the file and the log beside it."""
        return await self._read(
            lambda cursor: Usage({kind.value: _count_all(cursor, kind) for kind in LAYOUT}, used_bytes(cursor, self._path))
        )

    def counters(self) -> dict[str, int]:
        """How often attributes were not indexed, or those of the newest rows not kept, and their search takes longer."""
        counts = {"attribute_index": self._not_indexed, "newest_attributes": self._newest.not_kept}
        return {what: count for what, count in counts.items() if count}

    async def close(self) -> None:
        """Finish the writes that wait, and let the file go."""
        if self._closed:
            return
        self._closed = True
        await self._idle.wait()
        if self._flushing is not None:
            await asyncio.wait([self._flushing])  # a cancelled write may have left it at work
        loop = asyncio.get_running_loop()
        for pool in (self._encoder, self._readers, self._bounded_readers):
            await loop.run_in_executor(None, pool.shutdown)
        await loop.run_in_executor(self._writer, self._database.close)
        self._writer.shutdown()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError(Wording.STORE_CLOSED(store=str(self._path)))

    async def _read(self, ask: Callable[[DuckDBPyConnection], Found], seconds: float = 0.0) -> Found:
        """An answer from a reader's thread. Whoever waits no longer, or too long, interrupts it.

        Raises:
            QueryTimeoutError: it took longer than so many seconds.
            StoreError: DuckDB cannot answer.
        """
        self._check_open()
        cursor = self._database.cursor()

        def run() -> Found:
            try:
                return ask(cursor)
            except duckdb.Error as error:
                raise StoreError(Wording.STORE_FAILED(store=str(self._path), error=str(error))) from error

        pool = self._bounded_readers if seconds else self._readers
        asked = pool.submit(run)
        try:
            if not await _wait_for(asked, cursor, seconds or None):
                raise QueryTimeoutError(seconds)
            return asked.result()
        finally:
            cursor.close()

    async def _flush(self) -> None:
        """Write what waits, in groups, until nothing does."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            group = [self._waiting.pop(0)]
            size = group[0].size
            while self._waiting and size + self._waiting[0].size <= GROUP:
                group.append(self._waiting.pop(0))
                size += group[-1].size
            try:
                results = await loop.run_in_executor(self._writer, self._commit, group)
            except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to those who wait
                failure = StoreError(f"{self._path}: {error}") if isinstance(error, duckdb.Error) else error
                for batch in group:
                    if not batch.stored.done():
                        batch.stored.set_exception(failure)
            else:
                for batch, written in zip(group, results, strict=True):
                    if not batch.stored.done():
                        batch.stored.set_result(written)
            if self._index.due():
                await loop.run_in_executor(self._writer, self._advance)

    def _commit(self, group: list[_Batch]) -> list[Written]:
        """One transaction for a group of batches."""
        created = [0] * len(group)
        inserted: dict[Kind, Keys] = {}
        with transaction(self._connection):
            for kind in {kind for batch in group for kind in batch.rows}:
                owners: dict[str, tuple[int, Row]] = {}
                for index, batch in enumerate(group):
                    for id_, one in batch.rows.get(kind, {}).items():
                        owners.setdefault(id_, (index, one))
                for id_ in self._existing_ids(kind, owners):
                    del owners[id_]
                if owners:
                    inserted[kind] = self._insert(kind, [one for _, one in owners.values()])
                for index, _ in owners.values():
                    created[index] += 1
        for kind, keys in inserted.items():
            self._keys[kind].add(keys)
            self._index.committed(kind)
        return [
            Written(number, batch.size - number - len(batch.rejected), batch.rejected)
            for batch, number in zip(group, created, strict=True)
        ]

    def _existing_ids(self, kind: Kind, ids: Collection[str]) -> list[str]:
        """Those of the ids that the table has. Most batches hold none, which the keys in memory show without a query."""
        name, key, run = quoted(kind), quoted(KEY), self._connection.execute
        keys = f"SELECT md5_number_lower({quoted(ID)}) AS {key} FROM batch"  # noqa: S608 - identifiers are ours
        with self._as_batch(Columns({ID: STRING}, [list(ids)])):
            if not self._keys[kind].holds_any(_keys(run(keys))):
                return []
            alike = run(f"SELECT {quoted(ID)} FROM {name} SEMI JOIN ({keys}) USING ({key})").fetchall()  # noqa: S608 - as above
        return [id_ for (id_,) in alike if id_ in ids]

    def _insert(self, kind: Kind, rows: list[Row]) -> Keys:
        columns = f"md5_number_lower({quoted(ID)}) AS {quoted(KEY)}, *"
        if kind in INDEXED:
            columns += f", {self._index.numbers(kind, len(rows)) - 1} + row_number() OVER () AS {ROW}"
        with self._as_batch(table(kind, rows)):
            sql = f"INSERT INTO {quoted(kind)} BY NAME SELECT {columns} FROM batch RETURNING {quoted(KEY)}"  # noqa: S608 - identifiers are ours
            return _keys(self._connection.execute(sql))

    @contextmanager
    def _as_batch(self, rows: Columns) -> Iterator[None]:
        """The rows as the table `batch` of the writer's connection."""
        self._connection.register("batch", rows)
        try:
            yield
        finally:
            self._connection.unregister("batch")

    def _advance(self) -> None:
        try:
            self._index.advance()
        except duckdb.Error:
            self._not_indexed += 1

    def _retain(self, retention: Retention, now: int) -> int:
        try:
            gone = retain(self._connection, self._path, retention, now)
            if gone:
                self._keys = _all_keys(self._connection)
        except duckdb.Error as error:
            raise StoreError(f"{self._path}: {error}") from error
        return gone


def _all_keys(connection: DuckDBPyConnection) -> dict[Kind, KeySet]:
    return {kind: KeySet(_keys(connection.execute(f"SELECT {quoted(KEY)} FROM {quoted(kind)}"))) for kind in LAYOUT}  # noqa: S608 - identifiers are ours


def _keys(found: DuckDBPyConnection) -> Keys:
    keys: Keys = found.fetchnumpy()[KEY]
    return keys


def open_error(path: Path, error: duckdb.Error) -> StoreError:
    """Why a file cannot be opened, and what to do."""
    if "lock" in str(error):
        return LockedError(
            f"{path}: another process has this DuckDB file open ({error}): "
            "stop that process, read through its HTTP API, or name another file"
        )
    return StoreError(f"{path}: cannot be opened as a DuckDB file ({error})")


async def _wait_for(asked: Future[Found], cursor: DuckDBPyConnection, seconds: float | None) -> bool:
    """Whether the answer came in time. If not, or if nobody waits any more, the query ends all the same."""
    answer = asyncio.wrap_future(asked)
    done: set[asyncio.Future[Found]] = set()
    try:
        done, _ = await asyncio.wait([answer], timeout=seconds)
    finally:
        if not done and not asked.cancel():  # else it had not begun
            while not answer.done():  # DuckDB loses an interrupt that comes before its query
                cursor.interrupt()
                await asyncio.wait([answer], timeout=INTERRUPT_EVERY)
        if answer.done() and not answer.cancelled():
            answer.exception()  # is looked at here, so that nobody misses it
    return bool(done)


def _count_all(cursor: DuckDBPyConnection, kind: Kind) -> int:
    return int(cursor.execute(f"SELECT count(*) FROM {quoted(kind)}").fetchall()[0][0])  # noqa: S608 - identifiers are ours
