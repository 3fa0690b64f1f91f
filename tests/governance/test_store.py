"""The stores of revisions, each by the same suite: whole after a crash, and on the audit trail."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import pytest

from governance.fleet import Reached
from governance.revisions import Approval, Draft, OutdatedError, Status
from governance.stores.postgresql import PostgresStore
from governance.stores.sqlite import SqliteStore
from governance.waves.rollout import RolloutConfig, back, begin
from telemetry.audit import Anchor, verify
from telemetry.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from governance.revisions import RevisionStore
    from tests.postgresql import Server

    Opens = Callable[[], RevisionStore]

OF_FORMAT_1 = """
create table revisions (
  number integer primary key, text text not null, digest text not null, author text not null, comment text not null,
  created integer not null, status text not null, why text not null, stable_at integer not null default 0
) strict;
create table audit (sequence integer primary key, record text not null) strict;
create table rollout (only_one integer primary key check (only_one = 1), data text not null) strict;
create table agents (id text primary key, data text not null, history text not null) strict;
insert into revisions values (1, 'routes: []', 'x', 'ann', '', 1, 'stable', '', 2);
pragma user_version = 1;
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def opens(request: pytest.FixtureRequest, tmp_path: Path) -> Opens:
    """Opens the same store, each time anew."""
    if request.param == "sqlite":
        return lambda: SqliteStore(tmp_path / "new" / "control.sqlite")
    server: Server = request.getfixturevalue("postgresql")
    url = server.database()
    return lambda: PostgresStore(url)


async def test_what_was_kept_is_there_again_and_its_trail_is_whole(opens: Opens) -> None:
    store = opens()
    one = await store.add("routes: []", "ann", "first", 10)
    two = await store.add("mtls: []", "bob", "", 11)
    assert (one.number, two.number, one.status) == ("1", "2", Status.DRAFT)
    await store.mark("1", Status.STABLE, "all have it", "spanloom", 12)
    await store.mark("2", Status.REFUSED, "n1 refuses it", "spanloom", 13)
    rollout = begin("2", "1", RolloutConfig().waves, 14)
    await store.keep_rollout(rollout, 14, before=None)
    reached = ("n1", {"place": {"service": "pay"}}, (Reached("1", 5), Reached("2", 6, "no path")))
    await store.keep_agents([reached, ("n2", {}, ())])
    await store.remove_agents(["n2"])
    await store.close()
    await store.close()

    again = opens()
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


async def test_drafts_wait_until_somebody_decides_once(opens: Opens) -> None:
    store = opens()
    draft = Draft("0", 100)
    one = await store.add("routes: []", "ann", "", 10, draft)
    await store.add("mtls: []", "bob", "", 11)  # released at once: it never waits
    assert await store.drafts() == [(one, draft)]
    approved = replace(draft, approvals=(Approval("bob", 12, "0"),))
    await store.keep_draft("1", draft, approved, "bob", 12)
    with pytest.raises(OutdatedError, match="meanwhile"):
        await store.keep_draft("1", draft, approved, "cy", 13)
    await store.close()
    again = opens()
    assert await again.drafts() == [(one, approved)]
    rollout = begin("1", "0", RolloutConfig().waves, 14)
    await again.keep_rollout(rollout, 14, before=None, status=Status.RELEASED, author="bob")
    assert await again.drafts() == []
    for status in (Status.REJECTED, Status.EXPIRED, Status.RELEASED):
        with pytest.raises(OutdatedError, match="is released"):
            await again.mark("1", status, "", "cy", 15)
    assert verify(map(asdict, await again.audit(0, 100))) == []
    await again.close()


async def test_a_step_of_a_rollout_is_kept_only_where_nobody_was_faster(opens: Opens) -> None:
    store, other = opens(), opens()
    for text in ("routes: []", "mtls: []"):
        await store.add(text, "ann", "", 10)
    first, second = (begin(number, "0", RolloutConfig().waves, 14) for number in "12")
    await store.keep_rollout(first, 14, before=None, status=Status.RELEASED, author="ann")
    with pytest.raises(OutdatedError):
        await other.keep_rollout(second, 15, before=None, status=Status.RELEASED, author="bob")
    found = await other.get("2")
    assert found is not None
    assert found.status is Status.DRAFT
    ended = back(first, "alerts")
    await other.keep_rollout(ended, 16, before=first, status=Status.ROLLED_BACK, author="automatic")
    assert await store.rollout() == ended
    records = [(each.event, each.data.get("revision")) for each in await store.audit(2, 10)]
    assert records == [("revision-released", "1"), ("rollout", "1"), ("revision-rolled-back", "1"), ("rollout", "1")]
    await store.close()
    await other.close()


async def test_writers_at_the_same_time_never_fork_the_trail(opens: Opens) -> None:
    stores = [opens() for _ in range(4)]
    await asyncio.gather(*(stores[n % 4].add(f"routes: [] # {n}", f"writer-{n % 4}", "", n) for n in range(40)))
    records = await stores[0].audit(0, 1000)
    assert verify(map(asdict, records)) == []
    assert [each.sequence for each in records] == list(range(1, 41))
    assert [each.data["revision"] for each in records] == [str(number) for number in range(1, 41)]
    for store in stores:
        await store.close()


async def test_a_file_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    await SqliteStore(tmp_path / "control.sqlite").close()
    assert (tmp_path / "control.sqlite").stat().st_mode & 0o077 == 0


async def test_a_file_without_drafts_is_read(tmp_path: Path) -> None:
    path = tmp_path / "control.sqlite"
    with closing(sqlite3.connect(path)) as old:
        old.executescript(OF_FORMAT_1)
    store = SqliteStore(path)
    stable = await store.stable()
    assert stable is not None
    assert (stable.number, stable.author) == ("1", "ann")
    assert await store.drafts() == []
    await store.add("mtls: []", "bob", "", 5, Draft("1", 9))
    assert len(await store.drafts()) == 1
    await store.close()


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
