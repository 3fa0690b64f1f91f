"""The tables of samples in a DuckDB file of their own, and the statements that fill and roll them up.

A rollup is made of the raw samples of its bucket each time one of them came, so that neither order nor repetition matters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stores.duckdb.schema import SchemaError, transaction
from stores.samples.levels import ROLLUPS, Level

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

VERSION = 1

ROLLUP_COLUMNS = (
    "series", "ending", "count", "total", "least", "most", "first", "first_time", "last", "last_time", "lost", "resets",
    "changes",
)  # fmt: skip
"""Of each rollup table, in the order of `RollupColumns`."""

TABLES = """
CREATE TABLE spanloom_samples (version INTEGER);
CREATE TABLE series (id BIGINT, environment VARCHAR, labels VARCHAR);
CREATE TABLE raw (series BIGINT, time BIGINT, value DOUBLE, stale BOOLEAN);
CREATE TABLE delta (series BIGINT, time BIGINT, id BIGINT, value DOUBLE);
CREATE TABLE pending (environment VARCHAR, level BIGINT, ending BIGINT);
CREATE TABLE progress (environment VARCHAR, level BIGINT, until BIGINT);
"""

ADD_SAMPLES = """
CREATE OR REPLACE TEMP TABLE added AS
SELECT DISTINCT ON (series, time) series, time, value, stale FROM batch
WHERE delta = 0 AND NOT EXISTS (
    SELECT 1 FROM raw WHERE raw.series = batch.series AND raw.time = batch.time AND raw.time BETWEEN $oldest AND $newest
) ORDER BY series, time, position
"""
"""Of two values of one series and time the first stays."""

ADD_DELTAS = """
CREATE OR REPLACE TEMP TABLE added_delta AS
SELECT DISTINCT ON (series, time, delta) series, time, delta AS id, value FROM batch
WHERE delta <> 0 AND NOT EXISTS (
    SELECT 1 FROM delta WHERE delta.series = batch.series AND delta.time = batch.time AND delta.id = batch.delta
) ORDER BY series, time, delta, position
"""

MARK_PENDING = """
INSERT INTO pending
SELECT DISTINCT environment, $level AS level, (time + $width - 1) // $width * $width AS ending
FROM (SELECT series, time FROM added UNION ALL SELECT series, time FROM added_delta) JOIN series ON series.id = series
EXCEPT SELECT environment, level, ending FROM pending
"""

FIND_ENDED = """
CREATE OR REPLACE TEMP TABLE ended AS
SELECT ending FROM pending WHERE environment = $environment AND level = $level AND ending <= $until
"""

UNMARK_PENDING = "DELETE FROM pending WHERE environment = $environment AND level = $level AND ending IN (FROM ended)"

EFFECTIVE = """
SELECT raw.series, raw.time, raw.value + coalesce(more.value, 0) AS value, raw.stale FROM raw LEFT JOIN (
    SELECT series, time, sum(value) AS value FROM delta WHERE time > $since AND time <= $until GROUP BY ALL
) more USING (series, time)
WHERE raw.time > $since AND raw.time <= $until
"""
"""Samples with what corrects them."""

_SOURCE = "SELECT series, time, value, stale FROM raw WHERE time > $since AND time <= $until"


def samples_sql(*, deltas: bool) -> str:
    """Samples of a stretch of time."""
    return EFFECTIVE if deltas else _SOURCE


def table_of(level: Level) -> str:
    """Its table."""
    return f"rollup_{level.title}"


def forget_sql(level: Level) -> str:
    """Delete the rollups of the buckets `ended` (a table) of one environment."""
    return (
        f"DELETE FROM {table_of(level)} WHERE ending IN (FROM ended) AND ending BETWEEN $first AND $last"  # noqa: S608 - ours
        " AND series IN (SELECT id FROM series WHERE environment = $environment)"
    )


def roll_up_sql(level: Level, *, deltas: bool) -> str:
    """Make the rollups of the buckets `ended` (a table) of one environment."""
    width = level.width
    return f"""
INSERT INTO {table_of(level)}
SELECT series, ending, count(*), fsum(value),
    coalesce(min(value) FILTER (NOT isnan(value)), 'NaN'::DOUBLE),
    coalesce(max(value) FILTER (NOT isnan(value)), 'NaN'::DOUBLE),
    arg_min(value, time), min(time), arg_max(value, time), max(time),
    coalesce(fsum(before) FILTER (fell), 0), count(*) FILTER (fell), count(*) FILTER (before <> value)
FROM (
    SELECT *, value < before AND NOT isnan(before) AS fell FROM (
        SELECT series, ending, time, value, lag(value) OVER (PARTITION BY series, ending ORDER BY time) AS before FROM (
            SELECT series, time, value, (time + {width - 1}) // {width} * {width} AS ending FROM ({samples_sql(deltas=deltas)})
            WHERE NOT stale AND series IN (SELECT id FROM series WHERE environment = $environment)
        ) SEMI JOIN ended USING (ending)
    )
) GROUP BY series, ending ORDER BY series, ending
"""  # noqa: S608 - names and numbers are ours


def prepare_samples(connection: DuckDBPyConnection, path: str) -> None:
    """Make the tables, or check those that are there.

    Raises:
        SchemaError: the file is of another version, or holds something else.
    """
    tables = {name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    if not tables:
        columns = ", ".join(f"{name} {'BIGINT' if name in _INTEGERS else 'DOUBLE'}" for name in ROLLUP_COLUMNS)
        with transaction(connection):
            connection.execute(TABLES)
            for level in ROLLUPS:
                connection.execute(f"CREATE TABLE {table_of(level)} ({columns})")
            connection.execute("INSERT INTO spanloom_samples VALUES (?)", [VERSION])
        return
    if "spanloom_samples" not in tables:
        raise SchemaError(f"{path}: a DuckDB file of something else (it has table {min(tables)!r}): name another store")
    ((version,),) = connection.execute("SELECT max(version) FROM spanloom_samples").fetchall()
    if version != VERSION:
        raise SchemaError(
            f"{path}: samples of version {version}, this Spanloom reads {VERSION}: move the file away to start without samples"
        )


_INTEGERS = frozenset({"series", "ending", "first_time", "last_time"})
