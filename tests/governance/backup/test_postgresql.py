"""Control planes as processes on one PostgreSQL: one is killed, and a dump brings all of it back."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING

import orjson

from governance.stores.postgresql import PostgresStore
from telemetry.audit import verify
from tests.governance.test_commands import controlling, run
from tests.services import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.postgresql import Server


async def test_one_is_killed_the_other_goes_on_and_a_dump_has_it_all(tmp_path: Path, postgresql: Server) -> None:
    url, restored = postgresql.database(), postgresql.database()
    settings = {"control": {"store": url, "rollout": {"waves": [{"soak_seconds": 0}]}}}
    config, file = orjson.dumps(settings).decode(), tmp_path / "policies.yml"
    file.write_text("timeouts: [{name: t, service: pay, request: 1s}]\n")
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    async with controlling(second, free_port(), free_port(), config) as other:
        async with controlling(first, free_port(), free_port(), config, kill=True) as one:
            assert "revision 1 is on its way" in await run(first, "policy", "push", str(file), "--url", one)
            await stable(second, other, "1")
        file.write_text("timeouts: [{name: t, service: pay, request: 2s}]\n")
        await run(second, "policy", "push", str(file), "--url", other)
        await stable(second, other, "2")
        copy = ("control", "backup", str(tmp_path / "copy"), "--config", str(second / "control.yml"))
        refused = await run(second, *copy, code=1)
        assert "pg_dump" in refused
        dump = postgresql.folder / "control.dump"
        await asyncio.to_thread(postgresql.control, "pg_dump", "--format=custom", f"--file={dump}", url)
        await asyncio.to_thread(postgresql.control, "pg_restore", "--no-owner", f"--dbname={restored}", str(dump))
    before, after = PostgresStore(url), PostgresStore(restored)
    assert await after.history(10) == await before.history(10)
    records = await after.audit(0, 1000)
    assert records == await before.audit(0, 1000)
    assert verify(map(asdict, records)) == []
    assert (await after.add("mtls: []", "ann", "goes on", 1)).number == "3"
    assert verify(map(asdict, await after.audit(0, 1000))) == []
    for store in (before, after):
        await store.close()


async def stable(folder: Path, url: str, revision: str) -> None:
    async with asyncio.timeout(120):
        while orjson.loads(await run(folder, "policy", "history", "--json", "--url", url))["stable"] != revision:
            pass
