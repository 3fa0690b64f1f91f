"""Records that a stream still holds when its partitions are taken away."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from faust.types import TP

from pipeline.offsets import Offsets

PLACE = TP("otlp_spans", 0)


def event(offset: int, generation: int, acknowledged: list[int]) -> Any:
    message = SimpleNamespace(tp=PLACE, offset=offset, value=b"v", generation_id=generation)
    return SimpleNamespace(message=message, ack=lambda: acknowledged.append(offset))


def test_between_a_revocation_and_the_next_assignment_everything_is_stale() -> None:
    app = SimpleNamespace(consumer_generation_id=1)
    offsets = Offsets(app, limit=10)
    old = event(0, 1, [])
    assert not offsets.is_stale(old)
    offsets.revoke([PLACE])
    assert offsets.is_stale(old), "the generation is still the old one"
    app.consumer_generation_id = 2
    offsets.assign()
    assert offsets.is_stale(old)
    assert not offsets.is_stale(event(0, 2, []))


def test_a_group_that_begins_its_generations_anew_is_not_taken_for_the_old_one() -> None:
    offsets = Offsets(SimpleNamespace(consumer_generation_id=1), limit=10)
    offsets.revoke([PLACE])
    offsets.assign()
    assert not offsets.is_stale(event(0, 1, []))


async def test_work_of_an_earlier_assignment_does_not_acknowledge_the_record_read_again() -> None:
    app = SimpleNamespace(consumer_generation_id=1)
    offsets = Offsets(app, limit=10)
    acknowledged: list[int] = []
    stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    await offsets.done(event(7, 1, acknowledged), [stored])
    offsets.revoke([PLACE])
    app.consumer_generation_id = 2
    offsets.assign()
    again = event(7, 2, acknowledged)
    offsets.add(again)
    stored.set_result(None)
    await asyncio.gather(*offsets._tasks)
    assert acknowledged == []
    assert offsets.held == 1
    offsets.release(PLACE, [7])
    assert acknowledged == [7]
