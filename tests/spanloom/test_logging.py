"""What is written of what other libraries say."""

from __future__ import annotations

import logging
from asyncio import CancelledError

from aiokafka.errors import NodeNotReadyError

from pipeline.state.table import DamagedStateError
from spanloom.logging import RepeatFilter


def record(text: str, name: str = "aiokafka", at: float = 1000.0, error: BaseException | None = None) -> logging.LogRecord:
    made = logging.LogRecord(name, logging.ERROR, __file__, 1, text, (), (type(error), error, None) if error else None)
    made.created = at
    return made


def written(calm: RepeatFilter, *records: logging.LogRecord) -> list[str]:
    return [one.getMessage() for one in records if calm.filter(one)]


def test_a_line_of_a_client_comes_once_a_minute_with_how_often_it_was_suppressed() -> None:
    lines = [record("Unable connect", at=1000 + second / 10) for second in range(650)]
    assert written(RepeatFilter(), *lines) == ["Unable connect", "Unable connect (and 599 times since the last such line)"]


def test_different_lines_do_not_hide_each_other() -> None:
    calm = RepeatFilter()
    assert written(calm, record("a"), record("b"), record("a", name="aiokafka.client"), record("a")) == ["a", "b", "a"]


def test_our_own_lines_all_come() -> None:
    assert len(written(RepeatFilter(), *[record("dead_letter", name="pipeline.dead_letters.limits") for _ in range(5)])) == 5


def test_a_lost_connection_is_one_line_without_a_traceback() -> None:
    for error in (NodeNotReadyError("node 1"), CancelledError(), RuntimeError("Event loop is closed")):
        made = record("Exception in callback\nhandle: <Handle ...>", name="asyncio", error=error)
        assert written(RepeatFilter(), made) == [f"Exception in callback: {error!r}"]
        assert made.exc_info is None


def test_what_a_person_has_to_change_is_one_line_without_a_traceback() -> None:
    error = DamagedStateError("changelog[0] offset 7: the value cannot be used", "spanloom dlq skip changelog 0 7")
    made = record("[^---Recovery]: Crashed reason=DamagedStateError(...)", name="mode", error=error)
    assert written(RepeatFilter(), made) == [f"[^---Recovery]: Crashed reason=DamagedStateError(...): {error!r}"]
    assert made.exc_info is None


def test_a_service_of_ours_says_a_lost_connection_as_short() -> None:
    made = record("Error while stopping child", name="pipeline.runtime.kafka", error=RuntimeError("Event loop is closed"))
    assert written(RepeatFilter(), made) == ["Error while stopping child: RuntimeError('Event loop is closed')"]
    assert made.exc_info is None


def test_an_error_that_nobody_expects_keeps_its_traceback() -> None:
    made = record("Crashed", name="mode", error=KeyError("spanloom.batch"))
    assert RepeatFilter().filter(made)
    assert made.exc_info is not None


def test_the_memory_of_lines_is_bounded() -> None:
    calm = RepeatFilter()
    assert len(written(calm, *[record(f"topic {number}") for number in range(5000)])) == 5000
    assert len(calm._said) <= 1000
