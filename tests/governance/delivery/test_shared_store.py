"""Deliveries of control planes that share a store: who was slower is refused, and overwrites nothing."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from governance.delivery.deliveries import Deliveries
from governance.delivery.delivery import DeliveryAction, DeliveryState
from governance.files import read_policies
from governance.metrics import ControlMetrics
from governance.revisions import OutdatedError
from governance.stores.postgresql import PostgresStore
from governance.stores.sqlite import SqliteStore
from telemetry.audit import verify
from telemetry.errors import ConfigError
from tests.governance.delivery.test_deliveries import PLAN

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from governance.revisions import RevisionStore
    from telemetry.json_object import JsonObject
    from tests.postgresql import Server

    Opens = Callable[[], RevisionStore]

POLICIES = read_policies(PLAN, "plan.yml")
WRITERS, ROUNDS = 4, 12


@pytest.fixture(params=["sqlite", "postgresql"])
def opens(request: pytest.FixtureRequest, tmp_path: Path) -> Opens:
    """Opens the same store, each time anew."""
    if request.param == "sqlite":
        return lambda: SqliteStore(tmp_path / "control.sqlite")
    server: Server = request.getfixturevalue("postgresql")
    url = server.database()
    return lambda: PostgresStore(url)


def over(store: RevisionStore) -> Deliveries:
    """Those of one control plane."""
    return Deliveries(store, ControlMetrics(CollectorRegistry()))


async def count_up(store: RevisionStore, name: str, all_have_read: asyncio.Barrier) -> int:
    """Add one to a number that is kept as a delivery, some times; how often somebody else was faster."""
    refused = 0
    for turn in range(ROUNDS):
        while True:
            before: JsonObject | None = dict(await store.deliveries()).get("pay")
            if not turn and not refused:
                await all_have_read.wait()
            number = before["number"] + 1 if before is not None else 1
            try:
                await store.keep_delivery(
                    "pay", {"number": number, "by": name}, {"by": name, "number": number}, 1, before=before
                )
            except OutdatedError:
                refused += 1
                continue
            break
    return refused


async def test_no_step_of_writers_at_the_same_time_is_lost(opens: Opens) -> None:
    stores = [opens() for _ in range(WRITERS)]
    all_have_read = asyncio.Barrier(WRITERS)
    refused = await asyncio.gather(*(count_up(store, str(at), all_have_read) for at, store in enumerate(stores)))
    assert dict(await stores[0].deliveries())["pay"]["number"] == WRITERS * ROUNDS
    records = await stores[0].audit(0, 1000)
    assert [each.data["number"] for each in records] == list(range(1, WRITERS * ROUNDS + 1)), "none twice, none refused"
    assert sum(refused) >= WRITERS - 1, "they did meet"
    assert verify(map(asdict, records)) == []
    for store in stores:
        await store.close()


async def test_what_is_new_gone_or_another_is_not_taken_for_what_was_known(opens: Opens) -> None:
    store = opens()
    with pytest.raises(OutdatedError):
        await store.keep_delivery("pay", {"step": 2}, {}, 1, before={"step": 1})
    await store.keep_delivery("pay", {"step": 1, "share": 0.1}, {}, 1, before=None)
    for before in (None, {"step": 2}, {"step": 1}):
        with pytest.raises(OutdatedError):
            await store.keep_delivery("pay", None, {}, 2, before=before)
    await store.keep_delivery("cart", {"step": 1}, {}, 3, before=None)
    await store.keep_delivery("pay", None, {}, 4, before={"share": 0.1, "step": 1})
    assert await store.deliveries() == [("cart", {"step": 1})]
    assert len(await store.audit(0, 10)) == 3, "a change that is refused leaves no record"
    await store.close()


async def test_a_decision_of_a_person_is_not_undone_by_a_control_plane_that_does_not_know_of_it(opens: Opens) -> None:
    mine, theirs = opens(), opens()
    one, other = over(mine), over(theirs)
    for now in (1, 2):  # it is known, then begins
        await one.advance(POLICIES, {}, "", now)
    assert await other.restore() is True
    aborted = await other.act(POLICIES, "pay", DeliveryAction.ABORT, "ann", "", 3)
    assert (aborted.state, aborted.share) == (DeliveryState.ROLLED_BACK, 0.0)

    with pytest.raises(ConfigError, match="promote: the delivery of pay is left as it is: another control plane went on"):
        await one.act(POLICIES, "pay", DeliveryAction.PROMOTE, "bob", "", 4)
    assert one.stale
    assert dict(await theirs.deliveries())["pay"]["state"] == "rolled-back"
    assert await one.restore() is True
    assert not one.stale
    resumed = await one.act(POLICIES, "pay", DeliveryAction.RESUME, "bob", "", 5)
    assert resumed.state is DeliveryState.ADVANCING

    assert await other.advance(POLICIES, {}, "", 6) is False, "it has nothing to do: it knows of no resumption"
    await other.restore()
    assert await one.advance(POLICIES, {}, "", 7) is True
    assert await other.advance(POLICIES, {}, "", 7) is False, "the step began elsewhere"
    assert other.stale
    await other.restore()
    assert [each["steps"] for each in (one.states()[0], other.states()[0])] == [1, 1]
    states = [(each.data["state"], each.data["steps"], each.data["author"]) for each in await mine.audit(0, 100)]
    assert states == [
        ("advancing", 0, ""),
        ("advancing", 1, ""),
        ("rolled-back", 1, "ann"),
        ("advancing", 0, "bob"),
        ("advancing", 1, ""),
    ]
    await mine.close()
    await theirs.close()
