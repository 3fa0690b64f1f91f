from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from spanloom import supervise
from spanloom.process.exit_codes import CRASHED, FAILED, REFUSED

if TYPE_CHECKING:
    from collections.abc import Iterator


class Child:
    """A process that crashes at once, unless it is told to end."""

    started: list[Child]
    told_while_made = False

    def __init__(self, *_: Any, **__: Any) -> None:
        self.reported: list[int] = []
        self.started.append(self)
        if self.told_while_made:
            os.kill(os.getpid(), signal.SIGTERM)

    def send_signal(self, number: int) -> None:
        self.reported.append(number)

    def wait(self) -> int:
        return -signal.SIGTERM if self.reported else CRASHED


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Child]]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    monkeypatch.setattr(Child, "started", [], raising=False)
    monkeypatch.setattr(subprocess, "Popen", Child)
    yield Child
    for number, handler in before.items():
        signal.signal(number, handler)


def test_what_is_told_to_stop_between_two_starts_starts_nothing_more(
    child: type[Child], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: os.kill(os.getpid(), signal.SIGTERM))
    assert supervise.supervise(["worker"]) == 0
    assert len(child.started) == 1


def test_a_child_that_was_being_made_when_the_signal_came_is_reported(
    child: type[Child], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "told_while_made", True)
    assert supervise.supervise(["worker"]) == 0
    assert [one.reported for one in child.started] == [[signal.SIGTERM]]


def test_a_child_that_crashes_too_often_is_given_up(child: type[Child], monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter(range(0, 10_000, 10))
    monkeypatch.setattr(time, "monotonic", lambda: next(moments))
    assert supervise.supervise(["worker"]) == CRASHED
    assert len(child.started) == supervise.MOST + 1


@pytest.mark.parametrize("code", [FAILED, REFUSED])
def test_a_child_that_would_end_the_same_again_is_not_started_again(
    child: type[Child], monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(child, "wait", lambda _: code)
    assert supervise.supervise(["worker"]) == code
    assert len(child.started) == 1


def test_a_child_that_is_killed_too_often_counts_as_crashed(child: type[Child], monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter(range(0, 10_000, 10))
    monkeypatch.setattr(time, "monotonic", lambda: next(moments))
    monkeypatch.setattr(child, "wait", lambda _: -signal.SIGKILL)
    assert supervise.supervise(["worker"]) == CRASHED
