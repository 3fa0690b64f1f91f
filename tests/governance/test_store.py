"""The store of revisions: whole after a crash, and on the audit trail."""

from __future__ import annotations

import sqlite3
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from governance.fleet import Reached
from governance.revisions import Status
from governance.store import SqliteStore
from governance.waves.rollout import RolloutConfig, begin
from telemetry.audit import Anchor, verify
from telemetry.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path


async def test_what_was_kept_is_there_again_and_its_trail_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "control.sqlite"
    store = SqliteStore(path)
    one = await store.add("routes: []", "ann", "first", 10)
    two = await store.add("mtls: []", "bob", "", 11)
    assert (one.number, two.number, one.status) == ("1", "2", Status.DRAFT)
    await store.mark("1", Status.STABLE, "all have it", "spanloom", 12)
    await store.mark("2", Status.REFUSED, "n1 refuses it", "spanloom", 13)
    rollout = begin("2", "1", RolloutConfig().waves, 14)
    await store.keep_rollout(rollout, 14)
    reached = ("n1", {"place": {"service": "pay"}}, (Reached("1", 5), Reached("2", 6, "no path")))
    await store.keep_agents([reached, ("n2", {}, ())])
    await store.remove_agents(["n2"])
    await store.close()
    await store.close()

    again = SqliteStore(path)
    assert [each.number for each in await again.history(10)] == ["2", "1"]
    stable = await again.stable()
    assert stable is not None
    assert (stable.number, stable.text, stable.author, stable.why) == ("1", "routes: []", "ann", "all have it")
    assert await again.refused_digests() == {two.digest}
    assert await again.rollout() == rollout
    assert await again.agents() == [("n1", reached[1], list(reached[2]))]
    assert await again.get("3") is None
    assert await again.get("1; drop") is None
    await again.mark("1", Status.STABLE, "again", "ann", 20)
    records = await again.audit(0, 100)
    assert [record.event for record in records] == [
        "revision-added",
        "revision-added",
        "revision-stable",
        "revision-refused",
        "rollout",
        "revision-stable",
    ]
    assert verify(map(asdict, records), [Anchor(records[-1].sequence, records[-1].hash, "noted")]) == []
    await again.close()
    assert path.stat().st_mode & 0o077 == 0


async def test_a_change_that_fails_leaves_neither_itself_nor_a_record(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "control.sqlite")
    await store.add("routes: []", "ann", "", 10)
    with sqlite3.connect(tmp_path / "control.sqlite") as other:
        other.execute("create trigger full before insert on audit begin select raise(abort, 'disk full'); end")
    with pytest.raises(StoreError, match="disk full"):
        await store.add("mtls: []", "ann", "", 11)
    with sqlite3.connect(tmp_path / "control.sqlite") as other:
        other.execute("drop trigger full")
    assert [each.number for each in await store.history(10)] == ["1"]
    await store.add("mtls: []", "ann", "", 12)
    assert verify(map(asdict, await store.audit(0, 10))) == []
    await store.close()


def test_a_file_of_a_later_release_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "control.sqlite") as later:
        later.execute("pragma user_version = 99")
    with pytest.raises(StoreError, match="later release"):
        SqliteStore(tmp_path / "control.sqlite")
