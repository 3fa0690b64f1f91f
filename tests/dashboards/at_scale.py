"""A store with 100,000 traces of 200 services in its last quarter of an hour.

The documents of one window of five seconds are made as the pipeline makes them. All other windows are copies of it with other
ids and times, which DuckDB makes: the same takes the pipeline a quarter of an hour, and DuckDB some seconds.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import duckdb

from processors.assembly.edges import aggregate
from stores.duckdb.attributes.index import AttributeIndex
from stores.duckdb.columns import BODY, ID, KEY, TIME, quoted
from stores.duckdb.store import DuckDbStore
from telemetry.documents import Kind, edge_document
from telemetry.logs import ERROR, LogRecord
from telemetry.resource import Resource
from telemetry.spans import Span, SpanKind, StatusCode
from tests.dashboards import shop

if TYPE_CHECKING:
    from pathlib import Path

    from telemetry.call_graph import Hop
    from telemetry.documents import Document

WINDOWS = 180
"""Windows of five seconds: a quarter of an hour."""
A_WINDOW = 560
"""Traces in each of them."""
TRACES = WINDOWS * A_WINDOW
SPANS_A_TRACE = 3
GATEWAYS, MIDDLE, LEAVES = 10, 40, 150
SERVICES = GATEWAYS + MIDDLE + LEAVES
LOGGED = 5
"""Each such trace of a window has a line of log; each tenth of these is an error."""
FAILED = 50
"""Each such trace of a window fails in its last service."""
LOGS = A_WINDOW // LOGGED * WINDOWS

_TEAMS = ("search", "orders", "stock", "people", "money", "media", "mail", "core")
_BEGIN = shop.NOW - WINDOWS * shop.WINDOW
_PREFIX = "c0de0000"
"""What the ids of all traces of the first window begin with; the copies have their number in it."""


async def fill(path: Path) -> None:
    """Make the file, which is not there yet. Some seconds."""
    documents = window_documents()
    store = DuckDbStore(path)
    await store.write(documents)
    await store.close()
    with duckdb.connect(path) as connection:
        for kind in sorted({document.kind for document in documents}):
            _copy(connection, kind)
        index = AttributeIndex(connection)  # numbers the copies
        while index.due():
            index.advance()


def window_documents() -> list[Document]:
    """The documents of the first window."""
    chance = random.Random(7)
    documents: list[Document] = []
    hops: list[Hop] = []
    for number in range(A_WINDOW):
        of_trace, of_hops = shop.trace_documents(_trace(number, chance))
        documents += of_trace
        hops += of_hops
    return documents + [edge_document(edge, 0, "all") for edge in aggregate(hops, shop.WINDOW).values()]


def name(number: int) -> str:
    """That of a service, its namespace first."""
    layer = "gateway" if number < GATEWAYS else "api" if number < GATEWAYS + MIDDLE else "store"
    return f"{_TEAMS[number % len(_TEAMS)]}/{layer}-{number:03}"


def path_of(trace: int) -> tuple[int, int, int]:
    """The three services that a trace of the window visits, from its gateway."""
    leaf = trace % LEAVES
    middle = (leaf + trace // LEAVES % 2 * 7) % MIDDLE
    return (middle * 3 + trace // LEAVES // 2) % GATEWAYS, GATEWAYS + middle, GATEWAYS + MIDDLE + leaf


def _trace(number: int, chance: random.Random) -> shop.Trace:
    trace_id = bytes.fromhex(f"{_PREFIX}{number:024x}")
    start = _BEGIN + number * 4 * shop.SECOND // A_WINDOW
    took = min(int(chance.lognormvariate(17.2, 0.8)), 900 * shop.MS)
    failed = number % FAILED == 0
    spans: list[Span] = []
    for depth, service in enumerate(path_of(number)):
        team, _, own = name(service).partition("/")
        resource = Resource(
            {
                "service.namespace": team,
                "service.name": own,
                "service.instance.id": f"{own}-{number % 2}",
                "service.version": "2.4.1",
            }
        )
        span = Span(
            trace_id,
            (number * 4 + depth + 1).to_bytes(8, "big"),
            spans[-1].span_id if spans else b"",
            f"GET /{own}",
            SpanKind.SERVER,
            start + depth * took // 8,
            start + took - depth * took // 8,
            resource,
            attributes={"http.route": f"/{own}", "http.response.status_code": 500 if failed else 200, "customer": number % 97},
        )
        spans.append(replace(span, status=StatusCode.ERROR) if failed and depth == SPANS_A_TRACE - 1 else span)
    logs = []
    if number % LOGGED == 0:
        bad = number % (LOGGED * 10) == 0
        text = f"query {number} timed out" if bad else f"query {number} answered from the cache"
        severity = (ERROR, "ERROR") if bad else (9, "INFO")
        last = spans[-1]
        log = LogRecord(
            last.start,
            text,
            last.resource,
            severity=severity[0],
            severity_text=severity[1],
            trace_id=trace_id,
            span_id=last.span_id,
        )
        logs.append(log)
    return shop.Trace(trace_id, spans, logs)


def _copy(connection: duckdb.DuckDBPyConnection, kind: Kind) -> None:
    """Copy the first window of a kind into all others."""
    later = f"copy * {shop.WINDOW}"
    number = "printf('c0de%04x', copy)"
    body = quoted(BODY)
    for second in range(shop.WINDOW // shop.SECOND):
        first = _BEGIN // shop.SECOND + second
        body = f"replace({body}, '{first}', ({first} + copy * {shop.WINDOW // shop.SECOND})::VARCHAR)"
    id_ = f"replace({quoted(ID)}, '{_PREFIX}', {number})" if kind in _BY_TRACE else f"md5({quoted(ID)} || copy)"
    changed = {
        KEY: f"md5_number_lower({id_})",
        ID: id_,
        TIME: f"{quoted(TIME)} + {later}",
        BODY: f"""replace({body}, '"{_PREFIX}', '"' || {number})""",
    }
    known = {
        name
        for (name,) in connection.execute("SELECT column_name FROM duckdb_columns() WHERE table_name = ?", [kind]).fetchall()
    }
    changed |= {field: f"replace({field}, '{_PREFIX}', {number})" for field in ("id", "trace_id") if field in known}
    if "window" in known:
        changed["window"] = f'"window" + {later}'
    if "exemplars" in known:
        changed["exemplars"] = f"[replace(one, '{_PREFIX}', {number}) FOR one IN exemplars]"
    if "_row" in known:
        changed["_row"] = "NULL"
    replaced = ", ".join(f"{sql} AS {quoted(field)}" for field, sql in changed.items())
    connection.execute(f"CREATE TEMP TABLE first AS SELECT * FROM {quoted(kind)}")
    connection.execute(
        f"INSERT INTO {quoted(kind)} BY NAME SELECT first.* REPLACE ({replaced}) "
        f"FROM (SELECT unnest(range(1, {WINDOWS})) AS copy), first"
    )
    connection.execute("DROP TABLE first")


_BY_TRACE = frozenset({Kind.SPAN, Kind.TRACE, Kind.HOP})
"""The kinds whose ids begin with a trace's."""
