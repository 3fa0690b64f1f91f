from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.acting.ranking_thread import Diagnosis
from telemetry.findings import Suspect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class SlowCulprits:
    """Ranks what it has learnt when it is told to go on, and notices when it is changed meanwhile."""

    def __init__(self) -> None:
        self.learnt: list[str] = []
        self.began, self.go = threading.Event(), threading.Event()

    def rank(self, _moment: int) -> tuple[Suspect, ...]:
        before = list(self.learnt)
        self.began.set()
        assert self.go.wait(10)
        assert self.learnt == before, "changed while it was read"
        return tuple(Suspect(name, 1.0) for name in before)


@pytest.fixture
async def slow() -> AsyncIterator[SlowCulprits]:
    culprits = SlowCulprits()
    yield culprits
    culprits.go.set()
    await asyncio.get_running_loop().shutdown_default_executor()


def diagnosis_of(culprits: Any) -> Diagnosis:
    return Diagnosis(culprits)


def learn(diagnosis: Diagnosis, name: str) -> None:
    def change(culprits: Any) -> None:
        culprits.learnt.append(name)

    diagnosis.learn(change)


async def begun(culprits: SlowCulprits) -> None:
    assert await asyncio.to_thread(culprits.began.wait, 10)


async def test_the_loop_goes_on_while_a_ranking_runs_and_what_comes_is_learnt_after_it(slow: SlowCulprits) -> None:
    diagnosis = diagnosis_of(slow)
    learn(diagnosis, "first")
    ranking = asyncio.create_task(diagnosis.rank(1))
    await begun(slow)
    learn(diagnosis, "second")
    learn(diagnosis, "third")
    assert slow.learnt == ["first"]
    slow.go.set()
    assert [suspect.service for suspect in await ranking] == ["first"]
    assert slow.learnt == ["first", "second", "third"]


async def test_a_ranking_that_nobody_waits_for_any_more_is_still_not_disturbed(slow: SlowCulprits) -> None:
    diagnosis = diagnosis_of(slow)
    learn(diagnosis, "first")
    ranking = asyncio.create_task(diagnosis.rank(1))
    await begun(slow)
    ranking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ranking
    learn(diagnosis, "second")
    assert slow.learnt == ["first"]
    slow.go.set()
    assert [suspect.service for suspect in await diagnosis.rank(2)] == ["first", "second"]
