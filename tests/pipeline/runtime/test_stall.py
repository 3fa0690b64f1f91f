"""A partition that stands still is said to, with the cause, and one that is only held is not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from faust.types import TP
from structlog.testing import capture_logs

from pipeline.runtime.stall import STALL_SECONDS, Cause, StallWatch
from pipeline.runtime.turns import Turn

PLACE = TP("topic", 0)
LATER = STALL_SECONDS + 1


def watched(
    *, handed_over: int, done: int, committed: int, end: int, asked_at: float, restoring: bool = False
) -> tuple[StallWatch, Turn, Any]:
    """A watch of one partition that has been looked at once."""
    turn = Turn(0)
    turn.move(0)
    turn.fetched(range(handed_over), turn.moved)
    for offset in range(handed_over):
        turn.arrives(offset)
    for offset in range(done):
        turn.acknowledge(offset)
    consumer = SimpleNamespace(turns={PLACE: turn}, _committed_offset={PLACE: committed}, asked_at=asked_at)
    app: Any = SimpleNamespace(consumer=consumer, in_recovery=restoring)
    lag: Any = SimpleNamespace(end_of=lambda _: end)
    watch = StallWatch(app, lag)
    watch.check(0.0)
    return watch, turn, consumer


def causes(watch: StallWatch, now: float) -> list[Cause]:
    watch.check(now)
    return [stall.cause for stall in watch.stalled.values()]


def test_records_that_do_not_come() -> None:
    watch, _, _ = watched(handed_over=2, done=2, committed=2, end=5, asked_at=LATER)
    assert causes(watch, STALL_SECONDS - 1) == []
    assert causes(watch, LATER) == [Cause.NOT_DELIVERED]


def test_tables_that_are_restored_first() -> None:
    watch, _, _ = watched(handed_over=0, done=0, committed=2, end=5, asked_at=LATER, restoring=True)
    assert causes(watch, LATER) == [Cause.RESTORING]


def test_a_stage_that_accepts_nothing() -> None:
    watch, _, _ = watched(handed_over=2, done=0, committed=0, end=5, asked_at=0.0)
    assert causes(watch, LATER) == [Cause.NOT_ASKED]


def test_commits_that_do_not_follow() -> None:
    watch, _, _ = watched(handed_over=5, done=5, committed=2, end=5, asked_at=LATER)
    assert causes(watch, LATER) == [Cause.NOT_COMMITTED]


def test_records_that_a_stage_holds_are_no_stall() -> None:
    watch, _, _ = watched(handed_over=5, done=2, committed=2, end=5, asked_at=LATER)
    assert causes(watch, LATER) == []


def test_it_is_said_once_and_so_is_its_end() -> None:
    watch, turn, consumer = watched(handed_over=2, done=2, committed=2, end=5, asked_at=LATER)
    with capture_logs() as said:
        watch.check(LATER)
        watch.check(LATER + 5)
        turn.skip_to(5)
        consumer._committed_offset = {PLACE: 5}
        watch.check(LATER + 10)
    assert [event["event"] for event in said] == ["partition_stalled", "partition_moves_again"]
    assert watch.stalled == {}


def test_a_partition_that_was_revoked_is_forgotten() -> None:
    watch, _, consumer = watched(handed_over=2, done=2, committed=2, end=5, asked_at=LATER)
    watch.check(LATER)
    consumer.turns = {}
    watch.check(LATER)
    assert watch.stalled == {}
