from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from spanloom.offline.results import FILES, SCORES, Results, documents, newest
from stores.duckdb.store import DuckDbStore
from stores.store import Query
from telemetry.documents import Document, Kind, latest

if TYPE_CHECKING:
    from pathlib import Path


def hop(number: int, time: int, revision: int, *, retracted: bool) -> Document:
    body = {"id": f"hop {number}", "revision": revision, "retracted": retracted}
    return Document(Kind.HOP, f"{number}-{time}-{revision}-{retracted}", time, body)


@pytest.mark.parametrize("page", [1, 7, 5000])
@pytest.mark.parametrize("times", [1, 3, 1000])
async def test_pages_tell_every_document_once_however_many_are_of_one_time(tmp_path: Path, page: int, times: int) -> None:
    rng = random.Random(page * times)
    store = DuckDbStore(tmp_path / "s.duckdb")
    try:
        revisions = [(number, revision) for number in range(60) for revision in range(rng.randint(1, 3))]
        written = [hop(n, 1_000_000 * rng.randrange(times), r, retracted=rng.random() < 0.2) for n, r in revisions]
        await store.write(written)
        reported = [body async for body in documents(store, Kind.HOP, page)]
        assert sorted(body["_id"] for body in reported) == sorted(document.id for document in written)
        assert [body["@timestamp"] for body in reported] == sorted(body["@timestamp"] for body in reported)
        kept = [body async for body in newest(store, Kind.HOP, page)]
        expected = latest(await store.find(Query(Kind.HOP, limit=1000)))
        assert sorted(body["_id"] for body in kept) == sorted(body["_id"] for body in expected)
    finally:
        await store.close()


def test_results_come_all_together_and_nothing_of_an_earlier_run_stays_beside_them(tmp_path: Path) -> None:
    for name in (*FILES.values(), SCORES, "notes.txt"):
        (tmp_path / name).write_text("old")
    with Results(tmp_path) as results:
        results.open("traces.jsonl").write("lost")
    assert {path.read_text() for path in tmp_path.iterdir()} == {"old"}
    with Results(tmp_path) as results:
        for name in FILES.values():
            results.open(name).write("new")
        results.keep()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(FILES.values(), "new") | {
        "notes.txt": "old"
    }
