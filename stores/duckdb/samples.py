"""The store of samples in a DuckDB file beside that of the documents: one transaction a flush, columns in and out."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import duckdb
import numpy as np
import orjson

from components.private_files import make_private_folder, narrow
from stores.duckdb.arrow import BOOLEAN, INTEGER, NUMBER, STRING, Columns
from stores.duckdb.sample_tables import (
    ADD_DELTAS,
    ADD_SAMPLES,
    FIND_ENDED,
    MARK_PENDING,
    ROLLUP_COLUMNS,
    UNMARK_PENDING,
    forget_sql,
    prepare_samples,
    roll_up_sql,
    samples_sql,
    table_of,
)
from stores.duckdb.schema import transaction
from stores.duckdb.store import open_error
from stores.samples.bounds import SeriesBounds
from stores.samples.levels import ROLLUPS, Level
from stores.samples.store import (
    MAX_ROWS,
    KnownSeries,
    RollupColumns,
    SampleColumns,
    SampleCounters,
    SampleLimits,
    TooManySamplesError,
)
from telemetry.errors import StoreError
from telemetry.metrics import STALE
from telemetry.sentences.wording import Wording

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from duckdb import DuckDBPyConnection
    from numpy.typing import NDArray

    from stores.samples.levels import Times
    from stores.samples.store import Ids, Labels, SampleBatch

Found = TypeVar("Found")

_BATCH = {"series": INTEGER, "time": INTEGER, "value": NUMBER, "stale": BOOLEAN, "delta": INTEGER, "position": INTEGER}
_STALE_BITS = np.array([STALE]).view(np.uint64)[0]
READERS = 2


class DuckDbSampleStore:
    """A `SampleStore` in one DuckDB file. Opened when made; of one event loop.

    Raises:
        LockedError: another process has the file open.
        SchemaError: the file has another schema.
        StoreError: it is no DuckDB file, or cannot be opened.
    """

    def __init__(self, path: Path, limits: SampleLimits | None = None, memory_limit: str = "256MB", threads: int = 2) -> None:
        self._path, self.limits = path, limits or SampleLimits()
        make_private_folder(path.parent)
        try:
            self._database = duckdb.connect(str(path), config={"memory_limit": memory_limit, "threads": threads})
        except duckdb.Error as error:
            raise open_error(path, error) from error
        narrow([path, path.with_name(path.name + ".wal")])
        try:
            prepare_samples(self._database, str(path))
            self._connection = self._database.cursor()  # the writer's
            self._bounds = SeriesBounds(self.limits)
            self._series = self._known_series()
            ((deltas,),) = self._connection.execute("SELECT count(*) FROM delta").fetchall()
        except BaseException:
            self._database.close()
            raise
        self.refusals = self._bounds.refusals
        self._has_deltas = bool(deltas)
        self._counters = SampleCounters()
        self._writer = ThreadPoolExecutor(1, "duckdb-samples-writer")
        self._readers = ThreadPoolExecutor(READERS, "duckdb-samples-reader")
        self._closed = False

    async def write(self, batches: Sequence[SampleBatch]) -> None:
        """Keep what is new in one transaction, then roll up what ended in another."""
        await self._run(self._writer, lambda _: self._write(batches))

    async def series(self, environment: str | None) -> list[KnownSeries]:
        """All series of an environment, or of all."""

        def ask(cursor: DuckDBPyConnection) -> list[KnownSeries]:
            where = "" if environment is None else " WHERE environment = $environment"
            parameters = {} if environment is None else {"environment": environment}
            found = cursor.execute(f"SELECT id, environment, labels FROM series{where}", parameters).fetchall()  # noqa: S608
            return [
                KnownSeries(id_, name, tuple((key, value) for key, value in orjson.loads(labels)))
                for id_, name, labels in found
            ]

        return await self._run(self._readers, ask)

    async def samples(self, ids: Ids, since: int, until: int) -> SampleColumns:
        """Samples of a stretch of time, corrected."""

        def ask(cursor: DuckDBPyConnection) -> SampleColumns:
            source = samples_sql(deltas=self._has_deltas)
            found = _fetch(
                cursor,
                f"FROM ({source}) SEMI JOIN asked USING (series)",
                "SELECT series, time, value, stale",
                "ORDER BY series, time",
                ids,
                {"since": since, "until": until},
            )
            values = found["value"].copy()
            values[found["stale"].astype(bool)] = STALE
            return SampleColumns(found["series"].view(np.int64), found["time"].view(np.int64), values)

        return await self._run(self._readers, ask)

    async def rollups(self, ids: Ids, level: Level, since: int, until: int) -> RollupColumns:
        """Buckets that end in a stretch of time."""

        def ask(cursor: DuckDBPyConnection) -> RollupColumns:
            found = _fetch(
                cursor,
                f"FROM {table_of(level)} SEMI JOIN asked USING (series) WHERE ending > $since AND ending <= $until",
                f"SELECT {', '.join(ROLLUP_COLUMNS)}",
                "ORDER BY series, ending",
                ids,
                {"since": since, "until": until},
            )
            return _rollups(found)

        return await self._run(self._readers, ask)

    async def rolled_until(self, environment: str, level: Level) -> int:
        """The end of the last bucket that is rolled up."""
        return await self._run(self._readers, lambda cursor: _until(cursor, environment, level))

    async def retain(self, now: int) -> int:
        """Delete what is older than its level is kept, and series of which nothing is left."""
        return await self._run(self._writer, lambda _: self._retain(now))

    def counters(self) -> SampleCounters:
        """What became of samples."""
        return self._counters

    async def close(self) -> None:
        """Finish what is under way, and let the file go."""
        if self._closed:
            return
        self._closed = True
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._readers.shutdown)
        await loop.run_in_executor(self._writer, self._database.close)
        self._writer.shutdown()

    async def _run(self, pool: ThreadPoolExecutor, ask: Callable[[DuckDBPyConnection], Found]) -> Found:
        if self._closed:
            raise StoreError(Wording.STORE_CLOSED(store=str(self._path)))

        def run() -> Found:
            try:
                with self._database.cursor() as cursor:
                    return ask(cursor)
            except duckdb.Error as error:
                raise StoreError(Wording.STORE_FAILED(store=str(self._path), error=str(error))) from error

        return await asyncio.get_running_loop().run_in_executor(pool, run)

    # ------------------------------------------------------------------ in the writer's thread

    def _write(self, batches: Sequence[SampleBatch]) -> None:
        run, counters = self._connection.execute, self._counters
        new: dict[int, tuple[str, Labels]] = {}
        parts: list[list[NDArray[np.int64] | NDArray[np.float64]]] = []
        newest: dict[str, int] = {}
        for batch in batches:
            admitted = self._admit(batch, new)
            newest[batch.environment] = max(batch.newest, newest.get(batch.environment, 0))
            keep = np.isin(batch.ids, admitted)
            counters.refused += int(np.count_nonzero(~keep))
            recent = batch.times > batch.newest - self.limits.kept[Level.RAW]
            counters.too_old += int(np.count_nonzero(keep & ~recent))
            keep &= recent
            deltas = np.zeros(len(batch.ids), np.int64) if batch.deltas is None else batch.deltas
            parts.append([batch.ids[keep], batch.times[keep], batch.values[keep], deltas[keep]])
        ids, times, values, deltas = (np.concatenate(column) for column in zip(*parts, strict=True))
        has_deltas = bool(np.any(deltas))
        stale = values.view(np.uint64) == _STALE_BITS
        rows = Columns(_BATCH, [ids, times, values, stale, deltas, np.arange(len(ids), dtype=np.int64)])
        with self._undone(new), transaction(self._connection):
            if new:
                known: list[list[object]] = [
                    list(new),
                    [name for name, _ in new.values()],
                    [orjson.dumps(labels).decode() for _, labels in new.values()],
                ]
                self._connection.register("named", Columns({"id": INTEGER, "environment": STRING, "labels": STRING}, known))
                run("INSERT INTO series SELECT id, environment, labels FROM named")
                self._connection.unregister("named")
            added = 0
            if len(ids):
                self._connection.register("batch", rows)
                run(ADD_SAMPLES, {"oldest": int(times.min()), "newest": int(times.max())})
                run(ADD_DELTAS)
                self._connection.unregister("batch")
                added += run("INSERT INTO raw SELECT * FROM added").fetchall()[0][0]
                added += run("INSERT INTO delta SELECT * FROM added_delta").fetchall()[0][0]
                for level in ROLLUPS:
                    run(MARK_PENDING, {"level": level.width, "width": level.width})
        self._series.update((id_, name) for id_, (name, _) in new.items())
        self._has_deltas |= has_deltas
        counters.written += added
        counters.existing += len(ids) - added
        self._roll_up(newest)

    @contextmanager
    def _undone(self, new: dict[int, tuple[str, Labels]]) -> Iterator[None]:
        """New series count no more where they are not stored."""
        try:
            yield
        except BaseException:
            for environment, labels in new.values():
                self._bounds.add(environment, labels, -1)
            raise

    def _known_series(self) -> dict[int, str]:
        """The environment of each series in the file; the bounds count them."""
        self._bounds.clear()
        known: dict[int, str] = {}
        for id_, environment, labels in self._connection.execute("SELECT id, environment, labels FROM series").fetchall():
            known[id_] = environment
            self._bounds.add(environment, orjson.loads(labels))
        return known

    def _admit(self, batch: SampleBatch, new: dict[int, tuple[str, Labels]]) -> list[int]:
        """The series of a batch that are known or can be; those that are not known yet join `new`."""
        admitted = []
        for id_, labels in batch.series.items():
            if id_ not in self._series and id_ not in new:
                if not self._bounds.admit(batch.environment, labels, batch.newest):
                    self._counters.series_refused += 1
                    continue
                new[id_] = batch.environment, labels
            admitted.append(id_)
        return admitted

    def _roll_up(self, newest: dict[str, int]) -> None:
        with transaction(self._connection):
            for environment, time in newest.items():
                for level in ROLLUPS:
                    self._roll_up_level(environment, level, (time - level.grace) // level.width * level.width)

    def _roll_up_level(self, environment: str, level: Level, until: int) -> None:
        """Make the buckets that have ended, and once more those that something came for since."""
        run, of = self._connection.execute, {"environment": environment, "level": level.width}
        before = _until(self._connection, environment, level)
        run(FIND_ENDED, {**of, "until": max(until, before)})
        ((first, last),) = run("SELECT min(ending), max(ending) FROM ended").fetchall()
        if first is not None:
            if first <= before:
                run(forget_sql(level), {"environment": environment, "first": first, "last": last})
            stretch = {"environment": environment, "since": first - level.width, "until": last}
            self._counters.rolled_up += run(roll_up_sql(level, deltas=self._has_deltas), stretch).fetchall()[0][0]
            run(UNMARK_PENDING, of)
        if until > before:
            run("DELETE FROM progress WHERE environment = $environment AND level = $level", of)
            run("INSERT INTO progress VALUES ($environment, $level, $until)", {**of, "until": until})

    def _retain(self, now: int) -> int:
        run, gone = self._connection.execute, 0
        with transaction(self._connection):
            for level, kept in self.limits.kept.items():
                if level is Level.RAW:
                    gone += run("DELETE FROM raw WHERE time <= ?", [now - kept]).fetchall()[0][0]
                    run("DELETE FROM delta WHERE time <= ?", [now - kept])
                else:
                    gone += run(f"DELETE FROM {table_of(level)} WHERE ending <= ?", [now - kept]).fetchall()[0][0]  # noqa: S608
            if gone:
                used = " UNION ".join(f"SELECT series FROM {name}" for name in ("raw", *map(table_of, ROLLUPS)))  # noqa: S608
                run(f"DELETE FROM series WHERE id NOT IN ({used})")  # noqa: S608 - names are ours
        if gone:
            self._series = self._known_series()
            run("CHECKPOINT")
        return gone


def _rollups(found: dict[str, NDArray[np.float64]]) -> RollupColumns:
    def integers(name: str) -> Times:
        return found[name].view(np.int64)

    return RollupColumns(
        integers("series"),
        integers("ending"),
        found["count"],
        found["total"],
        found["least"],
        found["most"],
        found["first"],
        integers("first_time"),
        found["last"],
        integers("last_time"),
        found["lost"],
        found["resets"],
        found["changes"],
    )


def _until(cursor: DuckDBPyConnection, environment: str, level: Level) -> int:
    found = cursor.execute(
        "SELECT max(until) FROM progress WHERE environment = ? AND level = ?", [environment, level.width]
    ).fetchall()
    return int(found[0][0] or 0)


def _fetch(
    cursor: DuckDBPyConnection, source: str, columns: str, order: str, ids: Ids, parameters: dict[str, int]
) -> dict[str, NDArray[np.float64]]:
    """Columns of the rows of these series.

    Raises:
        TooManySamplesError: there are more than MAX_ROWS.
    """
    cursor.register("asked", Columns({"series": INTEGER}, [np.unique(ids)]))
    ((rows,),) = cursor.execute(f"SELECT count(*) {source}", parameters).fetchall()
    if rows > MAX_ROWS:
        raise TooManySamplesError(rows)
    found = cursor.execute(f"{columns} {source} {order}", parameters).fetchnumpy()
    return {name: np.ma.getdata(column) for name, column in found.items()}
