"""The drill: a control plane is lost with its disk, and a copy takes its place under the load of clients."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from components.durations import HOUR
from governance.backup.copies import AUTHORITY, MANIFEST, STORE, back_up, restore
from governance.compile.site import Options
from governance.stores.sqlite import SqliteStore
from governance.svid.authority import Authority
from spanloom import clock
from spanloom.commands.control import control
from telemetry.errors import StoreError
from tests.governance.mesh import DEADLINE, Connection, Mesh, until
from tests.services import free_port

if TYPE_CHECKING:
    from pathlib import Path

DOMAIN = "shop.test"
GUARDED = """
services: [{name: pay}]
mtls: [{name: proven, service: pay, mode: strict}]
authorization: [{name: readers, service: pay, allow: [{callers: [front]}]}]
"""


async def test_agents_go_on_under_a_control_plane_that_was_restored_from_a_copy(tmp_path: Path) -> None:
    folder, copy = tmp_path / "control", tmp_path / "copy"
    authority = Authority(folder / AUTHORITY, DOMAIN, HOUR, clock.system())
    found, ended = Counter[int](), asyncio.Event()
    async with Mesh(folder, options=Options(trust_domain=DOMAIN), issuer=authority) as mesh:
        pay, outbound = await mesh.upstream("pay"), free_port()
        await mesh.publish("services: [{name: pay}]")
        await mesh.envoy("pay", name="pay-1", inbound=free_port(), address="127.0.0.1", application=pay.port)
        await mesh.envoy("front", name="front-1", outbound=outbound)
        async with Connection(outbound) as kept, asyncio.timeout(DEADLINE):
            while (await kept.get("pay"))[0] != 200:  # noqa: ASYNC110 - callers learn of an agent a moment after it came
                await asyncio.sleep(0.05)

        async def load() -> None:
            async with Connection(outbound) as one:
                while not ended.is_set():
                    found[(await one.get("pay"))[0]] += 1

        async with asyncio.TaskGroup() as group:
            group.create_task(load())
            await mesh.publish(GUARDED)
            copying = asyncio.to_thread(back_up, folder, copy, clock.system())
            made, _ = await asyncio.gather(copying, mesh.store.add("services: []", "ann", "while it is copied", clock.system()))
            assert made.files.keys() == {STORE, AUTHORITY}
            bundle = authority.bundle

            await mesh.stop()  # the machine is lost
            shutil.rmtree(folder)
            folder.mkdir()
            assert restore(copy, folder) == made
            mesh._issuer = Authority(folder / AUTHORITY, DOMAIN, HOUR, clock.system())
            assert mesh._issuer.bundle == bundle
            await mesh.start()
            await until(lambda: mesh.has("pay-1") and mesh.has("front-1"), "both are back")
            before = found.total()
            await until(lambda: found.total() > before + 50, "requests go on")
            sent = mesh.registry.get_sample_value("spanloom_control_responses_total")
            assert sent is not None
            assert sent <= 2  # each has new certificates of the same root, and nothing else
            assert (await mesh.store.history(10))[-1].number == "1"
            assert mesh.control.stable == "2"
            await mesh.publish(GUARDED + "timeouts: [{name: long, service: pay, request: 1h}]")
            before = found.total()
            await until(lambda: found.total() > before + 50, "requests go on")
            ended.set()
    assert found.keys() == {200}, found


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """Of a control plane that ran."""
    store = SqliteStore(tmp_path / "data" / "control" / STORE)
    await store.add("services: []", "ann", "", clock.system())
    await store.close()
    Authority(tmp_path / "data" / "control" / AUTHORITY, DOMAIN, HOUR, clock.system())
    return tmp_path / "data" / "control"


def is_closed(folder: Path) -> bool:
    """Whether nobody but its owner reads anything of it."""
    return all(each.stat().st_mode & 0o077 == 0 for each in (folder, *folder.iterdir()))


async def test_by_the_command_with_the_rights_of_a_key(tmp_path: Path, folder: Path) -> None:
    config, copy = tmp_path / "c.yml", tmp_path / "copy"
    config.write_text(f"data_dir: {tmp_path / 'data'}\n")
    key = (folder / AUTHORITY).read_bytes()
    done = CliRunner().invoke(control, ["backup", str(copy), "--config", str(config)])
    assert (done.exit_code, done.output) == (0, f"{copy}: authority.pem, control.sqlite\n")
    assert is_closed(copy)
    again = CliRunner().invoke(control, ["backup", str(copy), "--config", str(config)])
    assert again.exit_code == 1
    assert "is not empty" in again.output
    with closing(sqlite3.connect(folder / STORE)) as other:
        other.execute("update revisions set comment = 'changed since'")
        other.commit()
    refused = CliRunner().invoke(control, ["restore", str(copy), "--config", str(config)])
    assert refused.exit_code == 1
    assert "move its folder away first" in refused.output
    shutil.move(folder, tmp_path / "lost")
    done = CliRunner().invoke(control, ["restore", str(copy), "--config", str(config)])
    assert (done.exit_code, done.output) == (0, f"{folder}: authority.pem, control.sqlite\n")
    assert (folder / AUTHORITY).read_bytes() == key
    assert is_closed(folder)
    store = SqliteStore(folder / STORE)
    assert [each.comment for each in await store.history(5)] == [""]
    assert len(await store.audit(0, 10)) == 1
    await store.close()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (AUTHORITY, b"another key", "is not what was written there"),
        (STORE, b"SQLite format 3\0", "is not what was written there"),
        (MANIFEST, b"[]", "not the manifest of a copy"),
        (MANIFEST, b'{"version": 1, "made": 1, "files": {"../x": "a"}}', "a copy that this release does not read"),
        (MANIFEST, b'{"version": 2, "made": 1, "files": {"control.sqlite": "a"}}', "is not what was|does not read"),
        (MANIFEST, None, "manifest.json"),
    ],
)
async def test_half_a_copy_or_a_changed_one_is_not_restored(
    tmp_path: Path, folder: Path, name: str, content: bytes | None, reason: str
) -> None:
    copy = tmp_path / "copy"
    back_up(folder, copy, 1)
    if content is None:
        (copy / name).unlink()
    else:
        (copy / name).write_bytes(content)
    with pytest.raises(StoreError, match=reason):
        restore(copy, tmp_path / "new")
    assert not (tmp_path / "new" / STORE).exists()


def test_where_no_control_plane_was_there_is_nothing_to_copy(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no control plane has its store here"):
        back_up(tmp_path, tmp_path / "copy", 1)
    assert not (tmp_path / "copy").exists()
