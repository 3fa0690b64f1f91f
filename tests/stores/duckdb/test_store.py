"""The embedded store: crashes, locks, schemas, sizes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.series.histogram import histogram, subtract
from stores.duckdb.schema import SchemaError
from stores.duckdb.store import WAITING, DuckDbStore, LockedError
from stores.store import Aggregation, Equals, Query, Retention, Written
from telemetry.audit import Chain, verify
from telemetry.call_graph import Edge, EdgeKey, Node, NodeKind
from telemetry.documents import Document, Kind, edge_document
from telemetry.documents.latency_bits import scale_and_index
from telemetry.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
DAY = 86_400 * 10**9
NOON = 1_700_000_000_000_000_000

WRITER = """
import asyncio, sys
from pathlib import Path
from stores.duckdb.store import DuckDbStore
from telemetry.documents.kinds import Document, Kind

async def main():
    store = DuckDbStore(Path(sys.argv[1]))
    for number in range(1_000_000):
        await store.write([Document(Kind.SPAN, f"{number}-{i}", number, {"name": "x" * 200}) for i in range(20)])
        print(number, flush=True)

asyncio.run(main())
"""


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that writes without end and says each acknowledged batch."""
    command = [sys.executable, "-c", WRITER, str(tmp_path / "store.duckdb")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "0\n"
        yield process
        process.kill()


def log(number: int, size: int = 10) -> Document:
    return Document(Kind.LOG, str(number), NOON + number, {"body": {"text": os.urandom(size).hex()}})


@pytest.mark.parametrize("acknowledged", [1, 40, 400])
async def test_a_kill_loses_nothing_acknowledged_and_the_file_opens_again(
    tmp_path: Path, writer: subprocess.Popen[str], acknowledged: int
) -> None:
    assert writer.stdout is not None
    for _ in range(acknowledged):
        last = int(writer.stdout.readline())
    writer.send_signal(signal.SIGKILL)
    last = max([last, *map(int, writer.stdout.read().split())])
    writer.wait()
    store = DuckDbStore(tmp_path / "store.duckdb")
    try:
        found = {body["_id"] for body in await store.find(Query(Kind.SPAN, limit=10_000_000))}
        assert found >= {f"{number}-{i}" for number in range(last + 1) for i in range(20)}
        assert len(found) % 20 == 0
        assert await store.write([Document(Kind.SPAN, "0-0", 0, {})]) == Written(0, 1)
    finally:
        await store.close()


async def test_a_second_process_learns_who_has_the_file_and_what_to_do(tmp_path: Path, writer: subprocess.Popen[str]) -> None:
    with pytest.raises(LockedError, match=rf"(?s)PID {writer.pid}.*HTTP API"):
        DuckDbStore(tmp_path / "store.duckdb")


async def test_documents_outlive_the_process(tmp_path: Path) -> None:
    for expected in (Written(1, 0), Written(0, 1)):
        store = DuckDbStore(tmp_path / "deep" / "store.duckdb")
        assert await store.write([log(1)]) == expected
        await store.close()


async def test_a_column_that_the_file_lacks_is_added_and_filled(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    store = DuckDbStore(path)
    body = {"trace_id": "ab", "services": ["cart", "bank"], "root": {"service": "cart"}, "duration": 7}
    await store.write([Document(Kind.TRACE, "ab.1", NOON, body)])
    await store.close()
    with duckdb.connect(str(path)) as older:
        for column in ("services", "root.service", "duration"):
            older.execute(f'ALTER TABLE trace DROP COLUMN "{column}"')
    store = DuckDbStore(path)
    for field, value in (("services", "bank"), ("root.service", "cart"), ("duration", 7)):
        assert await store.count(Query(Kind.TRACE, [Equals(field, value)])) == 1
    assert await store.write([Document(Kind.TRACE, "ab.2", NOON, body)]) == Written(1, 0)
    await store.close()


async def test_latencies_of_edges_that_a_version_before_stored_are_made_to_add_up(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    store = DuckDbStore(path)
    latencies = [
        histogram([0.0, 0.0, 0.001, 0.5, 0.5, 3.0]),
        histogram([1e-9, 1e9]),  # of a coarser scale
        subtract(histogram([0.2]), histogram([0.0, 0.3, 0.3, 0.3, 0.4])),
        histogram([]),
    ]
    caller, callee = (Node(NodeKind.SERVICE, name) for name in "ab")
    edges = [
        Edge(EdgeKey(caller, callee, str(number), ""), NOON, 5, 1, 0, 1, latency, 0, 0, (), (), ())
        for number, latency in enumerate(latencies)
    ]
    await store.write([edge_document(edge, 0, "all") for edge in edges])
    asked = Aggregation(Query(Kind.EDGE), ("operation", "callee.kind"), bits="latency_bits", sums=("width",))
    expected = await store.totals(asked)
    await store.close()
    assert [scale_and_index(bucket)[0] for group in expected for bucket in group.buckets if group.key[0] == "1"] == [
        latencies[1].scale
    ] * 2
    with duckdb.connect(str(path)) as older:
        for column in ("latency_bits", "width", "callee.kind", "protocol", "exemplars", "exemplar_durations"):
            older.execute(f'ALTER TABLE edge DROP COLUMN "{column}"')
        older.execute("UPDATE edge SET _body = json_merge_patch(_body, '{\"latency_bits\": null}')")  # it wrote none
    store = DuckDbStore(path)
    assert sorted(await store.totals(asked), key=str) == sorted(expected, key=str)
    assert {bucket for group in expected for bucket in group.buckets}
    await store.close()


def test_a_newer_schema_is_refused_and_the_file_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    with duckdb.connect(str(path)) as newer:
        newer.execute("CREATE TABLE spanloom_schema AS SELECT 99 AS version")
    before = path.read_bytes()
    with pytest.raises(SchemaError, match="schema version 99, this Spanloom reads 1"):
        DuckDbStore(path)
    assert path.read_bytes() == before


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    with duckdb.connect(str(path)) as other:
        other.execute("CREATE TABLE invoices (number INTEGER)")
    with pytest.raises(SchemaError, match="invoices"):
        DuckDbStore(path)
    (tmp_path / "text").write_text("no database")
    with pytest.raises(StoreError, match="cannot be opened as a DuckDB file"):
        DuckDbStore(tmp_path / "text")


async def test_size_retention_forgets_the_oldest_until_the_file_fits(tmp_path: Path) -> None:
    path, total = tmp_path / "store.duckdb", 600_000
    await DuckDbStore(path).close()
    with duckdb.connect(str(path)) as filled:
        filled.execute(
            'INSERT INTO log BY NAME SELECT i AS "_key", i::VARCHAR AS "_id", ? + i AS "@timestamp", '
            """'{"a":"' || md5(i::VARCHAR) || '"}' AS "_body" FROM range(?) AS r(i)""",
            [NOON, total],
        )
    store = DuckDbStore(path)
    full = (await store.usage()).size_bytes
    gone = await store.retain(Retention(max_bytes=full // 2), NOON)
    usage = await store.usage()
    assert usage.size_bytes <= full // 2
    assert usage.documents["log"] == total - gone
    assert gone < total * 0.8
    (oldest,) = await store.find(Query(Kind.LOG, limit=1))
    assert oldest["@timestamp"] == NOON + gone
    assert await store.retain(Retention(max_bytes=full // 2), NOON) == 0
    await store.close()


async def test_a_reader_does_not_hold_up_retention(tmp_path: Path) -> None:
    store = DuckDbStore(tmp_path / "store.duckdb")
    await store.write([log(number) for number in range(1000)])
    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(store.find(Query(Kind.LOG)))
        group.create_task(store.retain(Retention(seconds=1), NOON + 10**12))
        group.create_task(store.write([log(2000)]))
    assert await store.count(Query(Kind.LOG)) <= 1
    await store.close()


async def test_past_the_bound_writers_are_told_to_come_back(tmp_path: Path) -> None:
    store = DuckDbStore(tmp_path / "store.duckdb")
    first = asyncio.create_task(store.write([log(1)] * WAITING))
    await asyncio.sleep(0)
    with pytest.raises(StoreError, match="try again later"):
        await store.write([log(2)])
    assert await first == Written(1, WAITING - 1)
    assert await store.write([log(2)]) == Written(1, 0)
    await store.close()


async def test_closing_finishes_what_waits_and_then_refuses(tmp_path: Path) -> None:
    store = DuckDbStore(tmp_path / "store.duckdb")
    writes = [asyncio.create_task(store.write([log(number)])) for number in range(50)]
    await asyncio.sleep(0)
    await store.close()
    assert await asyncio.gather(*writes) == [Written(1, 0)] * 50
    with pytest.raises(StoreError, match="closed"):
        await store.write([log(1)])
    with pytest.raises(StoreError, match="closed"):
        await store.count(Query(Kind.LOG))


async def test_a_cancelled_write_does_not_disturb_the_others(tmp_path: Path) -> None:
    store = DuckDbStore(tmp_path / "store.duckdb")
    cancelled = asyncio.create_task(store.write([log(1)]))
    other = asyncio.create_task(store.write([log(2)]))
    await asyncio.sleep(0)
    cancelled.cancel()
    assert await other == Written(1, 0)
    await store.close()


TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(key=TEXT.filter(bool), value=st.booleans() | st.integers(-(2**53), 2**53) | TEXT, listed=st.booleans())
@settings(max_examples=40)
async def test_any_value_under_any_key_is_found_alone_or_in_a_list(key: str, value: Any, *, listed: bool) -> None:
    with TemporaryDirectory() as folder:
        store = DuckDbStore(Path(folder) / "store.duckdb")
        for id_, held in (("one", [value] if listed else value), ("other", "b" if value == "a" else "a")):
            await store.write([Document(Kind.SPAN, id_, NOON, {"attributes": {key: held}})])
        assert [body["_id"] for body in await store.find(Query(Kind.SPAN, [Equals(f"attributes.{key}", value)]))] == ["one"]
        await store.close()


async def test_proofs_outlive_the_telemetry_that_fills_the_disk(tmp_path: Path) -> None:
    store = DuckDbStore(tmp_path / "store.duckdb")
    proofs = (Kind.AUDIT, Kind.INCIDENT, Kind.ALERT, Kind.NOTIFICATION)
    await store.write([Document(kind, f"{kind}", NOON - 1, {}) for kind in proofs])
    await store.write([log(number) for number in range(1000)])
    await store.retain(Retention(max_bytes=1), NOON)
    usage = await store.usage()
    assert {kind: usage.documents[kind] for kind in proofs} == dict.fromkeys(proofs, 1)
    assert usage.documents["log"] == 0
    await store.close()


async def test_an_audit_trail_older_than_the_retention_still_verifies(tmp_path: Path) -> None:
    store, chain = DuckDbStore(tmp_path / "store.duckdb"), Chain("default")
    trail = [chain.append(NOON + day * DAY, "alert", {}).document() for day in range(9)]
    await store.write([*trail, *(Document(kind, f"{kind}", NOON, {}) for kind in Kind if kind is not Kind.AUDIT)])
    await store.retain(Retention(seconds=7 * DAY // 10**9), NOON + 9 * DAY)
    assert verify(await store.find(Query(Kind.AUDIT))) == []
    assert {kind for kind, number in (await store.usage()).documents.items() if number} == {"audit", "incident"}
    await store.close()
