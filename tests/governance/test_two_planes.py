"""Two control planes on one PostgreSQL: both serve the same revision, one decides, and the other goes on when it dies."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

import psycopg
import pytest

from governance.approvals.drafts import Drafts
from governance.compile.site import Site
from governance.config import ApprovalConfig
from governance.delivery.delivery import Delivery, DeliveryAction
from governance.revisions import Status
from governance.stores.postgresql import PostgresStore
from governance.waves.rollout import RolloutConfig, WaveConfig
from governance.xds.snapshot import Kind
from governance.xds.stream import Reply
from spanloom import clock
from telemetry.audit import verify
from telemetry.errors import ConfigError, StoreError
from tests.governance.delivery.test_deliveries import PLAN
from tests.governance.mesh import AT_ONCE, DEADLINE, Mesh, until
from tests.postgresql import running_postgresql

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from governance.fleet import Session
    from tests.postgresql import Server

FIRST, NEXT = "timeouts: [{name: t, service: pay, request: 1s}]\n", "timeouts: [{name: t, service: pay, request: 2s}]\n"
TWO_WAVES = RolloutConfig(waves=(WaveConfig(share=50, soak_seconds=0), WaveConfig(soak_seconds=0)))
WATCHED = RolloutConfig(waves=(WaveConfig(share=50, soak_seconds=3600), WaveConfig(soak_seconds=0)))


class Simulated:
    """An agent that acknowledges what it is sent, or refuses one revision."""

    def __init__(self, mesh: Mesh, name: str) -> None:
        self._fleet, self.name, self.refuses = mesh.control.fleet, name, ""
        site = Site("pay", address="127.0.0.1", inbound=10_000, application=10_001)
        self._session: Session = self._fleet.connect(name, site, "127.0.0.1")
        self._task = asyncio.create_task(self._run())

    @property
    def revision(self) -> str:
        """What it has acknowledged last."""
        return self._session.agent.reached

    async def _run(self) -> None:
        while True:
            await self._session.wake.wait()
            self._session.wake.clear()
            wanted = self._session.agent.revision
            if wanted == self.refuses:
                self._fleet.replied(self._session, Reply(Kind.ROUTES, wanted, "no such filter"))
            else:
                snapshot = self._session.agent.snapshot
                assert snapshot is not None
                self._fleet.settled(self._session, snapshot)

    async def leave(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._fleet.disconnect(self._session)


class Pair:
    """Two control planes, one agent at each."""

    def __init__(self, url: str, one: Mesh, other: Mesh) -> None:
        self.url, self.one, self.other = url, one, other
        self.agents = [Simulated(one, "pay-1"), Simulated(other, "pay-2")]

    async def all_have(self, revision: str) -> None:
        await until(lambda: [each.revision for each in self.agents] == [revision] * 2, f"both have {revision}")
        await until(lambda: self.one.control.stable == self.other.control.stable == revision, f"both say {revision}")

    def rolled_back(self) -> bool:
        return all(mesh.control.rollout is not None and mesh.control.rollout.ended for mesh in (self.one, self.other))


@asynccontextmanager
async def pair(folder: Path, url: str, rollout: RolloutConfig = AT_ONCE) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        meshes = [Mesh(folder, rollout, store=lambda: PostgresStore(url, lambda _: time.sleep(0.02))) for _ in range(2)]
        one, other = [await stack.enter_async_context(mesh) for mesh in meshes]
        here = Pair(url, one, other)
        try:
            await until(lambda: all(len(mesh.control.fleet.agents) == 2 for mesh in (one, other)), "each knows both agents")
            yield here
        finally:
            for agent in here.agents:
                await agent.leave()


async def trail_is_whole(url: str) -> list[str]:
    store = PostgresStore(url)
    records = await store.audit(0, 1000)
    await store.close()
    assert verify(map(asdict, records)) == []
    return [record.event for record in records]


async def test_what_either_publishes_both_serve(tmp_path: Path, postgresql: Server) -> None:
    async with pair(tmp_path, postgresql.database(), TWO_WAVES) as here:
        revision = await here.one.control.publish(FIRST, "test.yml", "ann")
        await here.all_have(revision.number)
        revision = await here.other.control.publish(NEXT, "test.yml", "bob")  # which does not decide how it goes on
        await here.all_have(revision.number)
        assert (await trail_is_whole(here.url)).count("revision-stable") == 2


async def test_of_two_revisions_at_once_one_is_released(tmp_path: Path, postgresql: Server) -> None:
    async with pair(tmp_path, postgresql.database(), WATCHED) as here:
        both = [mesh.control.publish(FIRST, "test.yml", "ann") for mesh in (here.one, here.other)]
        ends = await asyncio.gather(*both, return_exceptions=True)
        refused = [each for each in ends if isinstance(each, ConfigError)]
        assert len(refused) == 1, ends
        history = await here.one.store.history(10)
        assert sum(each.status is Status.RELEASED for each in history) == 1
        await trail_is_whole(here.url)


async def test_a_refusal_at_one_takes_it_back_at_both(tmp_path: Path, postgresql: Server) -> None:
    async with pair(tmp_path, postgresql.database()) as here:
        first = await here.one.control.publish(FIRST, "test.yml", "ann")
        await here.all_have(first.number)
        here.agents[1].refuses = "2"
        await here.one.control.publish(NEXT, "test.yml", "ann")
        await until(here.rolled_back, "both know that it was taken back")
        await here.all_have(first.number)
        found = await here.one.store.get("2")
        assert found is not None
        assert (found.status, "pay-2 refuses it" in found.why) == (Status.REFUSED, True)
        with pytest.raises(ConfigError, match="refused this very document"):
            await here.one.control.publish(NEXT, "test.yml", "bob")


async def test_when_the_one_that_decides_is_gone_the_other_goes_on(tmp_path: Path, postgresql: Server) -> None:
    async with pair(tmp_path, postgresql.database(), TWO_WAVES) as here:
        await here.all_have((await here.one.control.publish(FIRST, "test.yml", "ann")).number)
        decides, goes_on = here.one, here.other
        assert (decides.control._leads, goes_on.control._leads) == (True, False)
        await here.agents[0].leave()
        await decides.stop()
        here.agents[0] = Simulated(goes_on, "pay-1")  # it comes to the other
        revision = await goes_on.control.publish(NEXT, "test.yml", "bob")
        await until(lambda: [each.revision for each in here.agents] == [revision.number] * 2, "both have it")
        await until(lambda: goes_on.control.stable == revision.number, "it is stable")
        await trail_is_whole(here.url)
        await decides.start()
        assert decides.control.stable == revision.number


async def test_people_who_act_on_a_delivery_at_both_at_once_end_with_one_state_at_both(
    tmp_path: Path, postgresql: Server
) -> None:
    async with pair(tmp_path, postgresql.database()) as here:
        controls = here.one.control, here.other.control
        revision = await here.one.control.publish(PLAN, "test.yml", "ann")
        await here.all_have(revision.number)
        await until(lambda: all(each.deliveries.states() for each in controls), "both know the delivery")
        for actions in (("promote", "abort"), ("resume", "abort"), ("abort", "promote")):
            asked = zip(controls, map(DeliveryAction, actions), strict=True)
            ends = await asyncio.gather(*(each.deliver("pay", do, "ann") for each, do in asked), return_exceptions=True)
            assert all(isinstance(each, (Delivery, ConfigError)) for each in ends), ends
            async with asyncio.timeout(DEADLINE):
                while True:  # a delivery that was resumed goes on meanwhile
                    ((_, kept),) = await here.one.store.deliveries()
                    known = [(each.deliveries.states()[0]["state"], each.delivered("pay")[1].weight) for each in controls]
                    if known == [(kept["state"], round(10 * kept["share"]))] * 2:
                        break
                    await asyncio.sleep(0.01)
        await trail_is_whole(here.url)


async def test_approvals_at_either_count_once(tmp_path: Path, postgresql: Server) -> None:
    async with pair(tmp_path, postgresql.database()) as here:
        config = ApprovalConfig(required=2)
        one, other = (Drafts(mesh.control, config, mesh.metrics, clock.system) for mesh in (here.one, here.other))
        number = (await one.keep(FIRST, "test.yml", "ann", "")).number
        assert (await other.approve(number, "ben", "0"))[1] == 1
        assert (await one.approve(number, "ben", "0"))[1] == 1
        assert (await one.approve(number, "cy", "0"))[1] == 0
        await here.all_have(number)


async def test_agents_keep_what_they_have_while_the_database_is_away(tmp_path: Path) -> None:
    with running_postgresql() as server:
        async with pair(tmp_path, server.database()) as here:
            await here.all_have((await here.one.control.publish(FIRST, "test.yml", "ann")).number)
            await asyncio.to_thread(server.stop, "immediate")
            with pytest.raises(StoreError, match=r"^postgresql://127\.0\.0\.1/test_1: "):
                await here.one.control.publish(NEXT, "test.yml", "ann")
            late = Simulated(here.one, "pay-3")
            await until(lambda: late.revision == "1", "a new agent is served")
            await asyncio.to_thread(server.start)
            async with asyncio.timeout(DEADLINE):
                while True:
                    try:
                        revision = await here.other.control.publish(NEXT, "test.yml", "ann")
                    except StoreError:
                        continue  # it is not back yet
                    break
            await here.all_have(revision.number)
            await late.leave()
            assert "revision-stable" in await trail_is_whole(here.url)


def test_the_password_is_in_no_message(postgresql: Server) -> None:
    wrong = postgresql.url("nowhere").replace("not-secret", "hunter2")
    with pytest.raises(StoreError) as raised:
        PostgresStore(wrong, lambda _: None)
    assert "hunter2" not in str(raised.value)
    assert "password authentication failed" in str(raised.value)


async def test_a_database_of_a_later_release_is_left_alone(postgresql: Server) -> None:
    url = postgresql.database()
    await PostgresStore(url).close()
    with psycopg.connect(url, autocommit=True) as later:
        later.execute("update format set version = 99")
    with pytest.raises(StoreError, match="later release"):
        PostgresStore(url)
