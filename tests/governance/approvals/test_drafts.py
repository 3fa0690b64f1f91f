"""Revisions that wait: who may approve them, when that releases them, and what ends them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from components.durations import HOUR, SECOND
from governance.approvals.drafts import Drafts, NotAllowedError
from governance.config import ApprovalConfig
from governance.revisions import Draft, OutdatedError, Status
from governance.waves.rollout import RolloutConfig, WaveConfig
from telemetry.audit import verify
from telemetry.errors import ConfigError, InputError
from tests.governance.mesh import AT_ONCE, Mesh, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

FIRST, SECOND_TEXT = "timeouts: [{name: t, service: pay, request: 1s}]\n", "timeouts: [{name: t, service: pay, request: 2s}]\n"
ONE, TWO = ApprovalConfig(required=1), ApprovalConfig(required=2)
SLOW = RolloutConfig(waves=(WaveConfig(soak_seconds=0, labels={"of": "nobody"}), WaveConfig(soak_seconds=3600)))


class World:
    """A control plane with a clock that the test turns."""

    def __init__(self, mesh: Mesh, config: ApprovalConfig, clock: list[int]) -> None:
        self.mesh, self.control, self.store, self._clock = mesh, mesh.control, mesh.store, clock
        self.drafts = Drafts(mesh.control, config, mesh.metrics, lambda: clock[0])

    def pass_time(self, nanoseconds: int) -> None:
        self._clock[0] += nanoseconds

    async def push(self, text: str = FIRST, author: str = "ann") -> str:
        return (await self.drafts.keep(text, "test.yml", author, "why")).number

    async def became(self, number: str, status: Status) -> None:
        await until(lambda: self.control.rollout is not None and self.control.rollout.ended, "the rollout ends")
        revision = await self.store.get(number)
        assert revision is not None
        assert revision.status is status

    async def events(self) -> list[tuple[str, str]]:
        records = await self.store.audit(0, 1000)
        assert verify(map(asdict, records)) == []
        return [(record.event, record.data.get("author", "")) for record in records if record.event != "rollout"]


@asynccontextmanager
async def world(folder: Path, config: ApprovalConfig = ONE, rollout: RolloutConfig = AT_ONCE) -> AsyncIterator[World]:
    clock = [1_000 * SECOND]
    async with Mesh(folder, rollout, now=lambda: clock[0]) as mesh:
        yield World(mesh, config, clock)


async def test_another_persons_approval_releases_a_draft_and_the_trail_says_who(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        number = await here.push()
        assert here.control.rollout is None
        with pytest.raises(NotAllowedError, match="by ann: somebody else"):
            await here.drafts.approve(number, "ann", "0")
        with pytest.raises(NotAllowedError):
            await here.drafts.approve(number, "Ann", "0")  # the same login
        assert (await here.drafts.approve(number, "ben", "0"))[1] == 0
        await here.became(number, Status.STABLE)
        assert here.control.stable == number
        assert await here.events() == [
            ("revision-added", "ann"),
            ("revision-approved", "ben"),
            ("revision-released", "ben"),
            ("revision-stable", "automatic"),
        ]
        with pytest.raises(ConfigError, match="does not wait for anybody: it is stable"):
            await here.drafts.approve(number, "cy", number)
        assert here.mesh.registry.get_sample_value("spanloom_control_drafts") == 0


async def test_without_required_approvals_the_author_releases_a_draft(tmp_path: Path) -> None:
    async with world(tmp_path, ApprovalConfig()) as here:
        number = await here.push()
        await here.drafts.approve(number, "ann", "0")
        await here.became(number, Status.STABLE)


async def test_one_person_counts_once_however_often_they_approve(tmp_path: Path) -> None:
    async with world(tmp_path, TWO) as here:
        number = await here.push()
        assert (await here.drafts.approve(number, "ben", "0"))[1] == 1
        assert (await here.drafts.approve(number, "BEN", "0"))[1] == 1
        assert here.control.rollout is None
        assert (await here.drafts.approve(number, "cy", "0"))[1] == 0
        await here.became(number, Status.STABLE)


async def test_an_approval_of_another_difference_does_not_count(tmp_path: Path) -> None:
    async with world(tmp_path, TWO) as here:
        number = await here.push(SECOND_TEXT)
        before = await here.drafts.difference(number)
        assert before.lines == ("--- revision 0", "+++ revision 1", "@@ -0,0 +1 @@", "+" + SECOND_TEXT.strip())
        await here.drafts.approve(number, "ben", before.against)
        stable = await here.mesh.publish(FIRST)
        after = await here.drafts.difference(number)
        assert (after.against, after.lines[3:]) == (stable, ("-" + FIRST.strip(), "+" + SECOND_TEXT.strip()))
        with pytest.raises(ConfigError, match="difference to revision 0, and 2 is stable now"):
            await here.drafts.approve(number, "cy", before.against)
        assert (await here.drafts.approve(number, "cy", after.against))[1] == 1
        assert (await here.drafts.approve(number, "ben", after.against))[1] == 0
        await here.became(number, Status.STABLE)


async def test_a_draft_is_not_released_over_a_revision_that_is_on_its_way(tmp_path: Path) -> None:
    async with world(tmp_path, ONE, SLOW) as here:
        await here.control.publish(FIRST, "test.yml", "ann")
        number = await here.push(SECOND_TEXT)
        with pytest.raises(ConfigError, match="revision 1 is on its way"):
            await here.drafts.approve(number, "ben", "0")
        await here.control.roll_back("ann", "for the other")
        await here.drafts.approve(number, "ben", "0")
        assert here.control.rollout is not None
        assert here.control.rollout.revision == number


async def test_a_rejected_draft_is_over_and_says_why(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        number = await here.push()
        with pytest.raises(InputError, match="say why"):
            await here.drafts.reject(number, "ben", " ")
        await here.drafts.reject(number, "ben", "pay cannot answer in 1s")
        found = await here.store.get(number)
        assert found is not None
        assert (found.status, found.why) == (Status.REJECTED, "pay cannot answer in 1s")
        for decide in (here.drafts.approve(number, "cy", "0"), here.drafts.reject(number, "cy", "too")):
            with pytest.raises(ConfigError, match="it is rejected"):
                await decide
        assert await here.drafts.waiting() == []
        assert (await here.events())[-1] == ("revision-rejected", "ben")


async def test_a_draft_that_nobody_decides_on_expires(tmp_path: Path) -> None:
    async with world(tmp_path, ApprovalConfig(required=1, expire_seconds=3600)) as here:
        number = await here.push()
        here.pass_time(HOUR - 1)
        await here.drafts.expire()
        assert [each.number for each, _ in await here.drafts.waiting()] == [number]
        here.pass_time(1)
        with pytest.raises(ConfigError, match="does not wait"):  # also before anybody noticed
            await here.drafts.approve(number, "ben", "0")
        await here.drafts.expire()
        found = await here.store.get(number)
        assert found is not None
        assert found.status is Status.EXPIRED
        assert (await here.events())[-1] == ("revision-expired", "automatic")


async def test_drafts_are_bounded_and_survive_a_restart(tmp_path: Path) -> None:
    config = ApprovalConfig(required=1, max_drafts=2)
    async with world(tmp_path, config) as here:
        await here.push()
        number = await here.push(SECOND_TEXT)
        with pytest.raises(ConfigError, match="2 drafts wait already"):
            await here.push()
        with pytest.raises(ConfigError, match="unknown field"):
            await here.push("services: [{name: pay, prot: 1}]")
        await here.mesh.stop()
        await here.mesh.start()
        again = World(here.mesh, config, here._clock)
        assert [each.number for each, _ in await again.drafts.waiting()] == ["1", number]
        await again.drafts.approve(number, "ben", "0")
        await again.became(number, Status.STABLE)


async def test_of_two_decisions_at_once_the_store_keeps_the_first(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        number = await here.push()
        (_, draft), *_ = await here.drafts.waiting()
        await here.store.mark(number, Status.REJECTED, "no", "cy", 5)
        with pytest.raises(OutdatedError):
            await here.store.keep_draft(number, draft, Draft("0", 1), "ben", 6)
        with pytest.raises(OutdatedError, match="is rejected"):
            await here.store.mark(number, Status.EXPIRED, "", "automatic", 6)
        assert [event for event, _ in await here.events()] == ["revision-added", "revision-rejected"]
