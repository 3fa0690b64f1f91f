"""An aggregation as DuckDB's SQL: one statement for sums, one for histograms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stores.checks import check_aggregation
from stores.duckdb.columns import BODY, TIME, json_pointer, quoted
from stores.duckdb.sql import ENVIRONMENT_SQL, Condition
from stores.layout import ENVIRONMENT, LAYOUT
from stores.store import SAMPLES, TooManyGroupsError, Totals
from telemetry.documents.latency_bits import BUCKET_SHIFT, EXPONENT, NEGATIVE

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from stores.store import Aggregation

_MILLISECOND = 1_000_000


def totals(asked: Aggregation, cursor: DuckDBPyConnection) -> list[Totals]:
    """The groups of an aggregation.

    Raises:
        QuestionRefusedError: a field is not of the type, or there are too many groups.
    """
    check_aggregation(asked)
    limit, width = asked.query.limit, len(asked.by) + 1
    sql, parameters = _sums(asked)
    rows = cursor.execute(sql, parameters).fetchall()
    if len(rows) > limit:
        raise TooManyGroupsError(limit)
    buckets: dict[tuple[object, ...], dict[int, int]] = {}
    if asked.bits and rows:
        sql, parameters = _buckets(asked)
        for row in cursor.execute(sql, parameters).fetchall():
            buckets[row[:width]] = dict(zip(row[width], row[width + 1], strict=True))
    found = []
    for row in rows:
        documents, oldest, newest, samples, *numbers = row[width:]
        found.append(
            Totals(
                row[: width - 1],
                row[width - 1],
                documents,
                tuple(map(int, numbers[: len(asked.sums)])),
                tuple(numbers[len(asked.sums) :]),
                oldest - oldest % _MILLISECOND,
                newest - newest % _MILLISECOND,
                buckets.get(row[:width], {}),
                tuple(samples or ()),
            )
        )
    return found


def _sums(asked: Aggregation) -> tuple[str, list[object]]:
    keys, pointers = _keys(asked)
    time = quoted(TIME)
    sums = "".join(f", coalesce(sum({quoted(field)}), 0)" for field in asked.sums)
    peaks = "".join(f", coalesce(max({quoted(field)}), 0)" for field in asked.peaks)
    condition = Condition(asked.query)
    sql = (
        f"SELECT {keys}, count(*), min({time}), max({time}), {_samples(asked)}{sums}{peaks}"  # noqa: S608 - identifiers are ours, values are bound
        f" FROM {quoted(asked.query.kind)}{condition.sql} GROUP BY {_groups(asked)} LIMIT ?"
    )
    return sql, [*pointers, *condition.parameters, asked.query.limit + 1]


def _samples(asked: Aggregation) -> str:
    if not asked.samples:
        return "NULL"
    packed = ", ".join(f"{quoted(field)} := {quoted(field)}" for field in asked.samples)
    return f"arg_max(struct_pack({packed}), list_max({quoted(asked.sample_by)}), {SAMPLES})"


def _buckets(asked: Aggregation) -> tuple[str, list[object]]:
    """By group the buckets and their counts. Groups get a number first: to count by the texts of a key would cost thrice."""
    keys, pointers = _keys(asked)
    names = _groups(asked)
    condition = Condition(asked.query)
    weight = f"(CASE WHEN bit & {NEGATIVE} = 0 THEN 1 ELSE -1 END) * (1::HUGEINT << (bit & {EXPONENT})::INTEGER)"
    sql = (
        "WITH grouped AS MATERIALIZED (SELECT row_number() OVER () AS place, * FROM ("  # noqa: S608 - as above
        f"SELECT {keys}, flatten(list({quoted(asked.bits)})) AS bits"
        f" FROM {quoted(asked.query.kind)}{condition.sql} GROUP BY {names})),"
        " counted AS (SELECT place, bit, count(*) AS documents FROM"
        " (SELECT place, unnest(bits) AS bit FROM grouped) GROUP BY place, bit),"
        f" added AS (SELECT place, bit >> {BUCKET_SHIFT} AS bucket, sum(documents * {weight})::BIGINT AS calls"
        " FROM counted GROUP BY place, bucket HAVING calls != 0),"
        " listed AS (SELECT place, list(bucket) AS buckets, list(calls) AS counts FROM added GROUP BY place)"
        f" SELECT {names}, buckets, counts FROM listed JOIN grouped USING (place)"
    )
    return sql, [*pointers, *condition.parameters]


def _keys(asked: Aggregation) -> tuple[str, list[object]]:
    """The columns of the key, those of the fields and that of the step, and their parameters."""
    columns, pointers = list[str](), list[object]()
    for place, field in enumerate(asked.by):
        if field == ENVIRONMENT:
            source = ENVIRONMENT_SQL
        elif field in LAYOUT[asked.query.kind]:
            source = f"coalesce({quoted(field)}, '')"
        else:
            source = f"coalesce(json_extract_string({quoted(BODY)}, ?), '')"
            pointers.append(json_pointer(field))
        columns.append(f"{source} AS key{place}")
    time = quoted(TIME)
    columns.append(f"{f'{time} - {time} % {asked.step:d}' if asked.step else '0'} AS key{len(asked.by)}")
    return ", ".join(columns), pointers


def _groups(asked: Aggregation) -> str:
    return ", ".join(f"key{place}" for place in range(len(asked.by) + 1))
