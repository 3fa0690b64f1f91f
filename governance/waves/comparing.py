"""Waves judged without a rule: calls with what is new against the calls without it, at the same time."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple, Protocol

from governance.compile.clusters import APPLICATION
from governance.waves.judging import EVERY
from governance.waves.rollout import Judgement, Verdict
from governance.waves.sequential import Comparison

if TYPE_CHECKING:
    from collections.abc import Iterable

    from governance.waves.rollout import Judge, Wave

MAX_CALLS = 20_000
"""Calls that wait to be compared; past it the oldest is dropped."""


class ObservedCall(NamedTuple):
    """A call as the access log of an Envoy has it.

    `agent` is whose Envoy it passed, `service` what that stands beside, `cluster` where it went, `duration` milliseconds.
    """

    time: int
    agent: str
    service: str
    cluster: str
    failed: bool
    duration: float


class Calls(Protocol):
    """Where calls come from."""

    def before(self, revision: str) -> Iterable[ObservedCall] | None:
        """Some from before the release of a revision; None while they have not been read."""
        ...

    def since(self) -> Iterable[ObservedCall]:
        """Those that came since this was asked last: of about the same time."""
        ...


class CallBuffer:
    """Calls that were read, until they are compared. Implements `Calls`."""

    def __init__(self) -> None:
        self._revision = ""
        self._before: deque[ObservedCall] = deque(maxlen=MAX_CALLS)
        self._since: deque[ObservedCall] = deque(maxlen=MAX_CALLS)

    def begin(self, revision: str, before: Iterable[ObservedCall]) -> None:
        """Another release is watched."""
        self._revision = revision
        self._since.clear()
        self._before.clear()
        self._before.extend(before)

    def add(self, calls: Iterable[ObservedCall]) -> None:
        """Keep calls since the release."""
        self._since.extend(calls)

    def before(self, revision: str) -> Iterable[ObservedCall] | None:
        """Some from before the release of a revision; None while they have not been read."""
        return tuple(self._before) if revision == self._revision else None

    def since(self) -> Iterable[ObservedCall]:
        """Those that came since this was asked last."""
        found = tuple(self._since)
        self._since.clear()
        return found


class ComparingJudge:
    """Takes a revision back when calls with it fail, or are slow, more often than others at the same time.

    Where it gives instances a larger share of the calls of their service, calls to these are compared with those to the
    others. Else calls through agents that have it are compared with those through agents that have not.

    Args:
        inner: judges as well; it alone decides where there is nothing to compare.
        calls: where they come from.
    """

    def __init__(self, inner: Judge, calls: Calls) -> None:
        self._inner, self._calls = inner, calls
        self._of = ""
        self._comparison = Comparison(())

    def judge(self, wave: Wave, now: int) -> Judgement:
        """Back where the difference is sure, else what `inner` says, with the counts."""
        if wave.revision != self._of:
            if (before := self._calls.before(wave.revision)) is None:
                return self._inner.judge(wave, now)
            self._of = wave.revision
            self._comparison = Comparison(each.duration for each in before if _concerns(each, wave))
        sides: tuple[list[tuple[bool, float]], list[tuple[bool, float]]] = ([], [])
        for call in self._calls.since():
            if call.time >= wave.released and _concerns(call, wave) and (side := _side(call, wave)) is not None:
                sides[side].append((call.failed, call.duration))
        self._comparison.add(*sides)
        if worse := self._comparison.worse():
            return Judgement(Verdict.BACK, worse)
        found = self._inner.judge(wave, now)
        seen = self._comparison.errors
        compared = f"; {self._comparison.said()}" if seen.old.calls and seen.new.calls else ""
        return Judgement(found.verdict, found.why + compared)


def _concerns(call: ObservedCall, wave: Wave) -> bool:
    """Whether a call is one of a service that the revision changes."""
    service = call.service if call.cluster == APPLICATION else call.cluster.partition("|")[0]
    return service in wave.services or EVERY in wave.services


def _side(call: ObservedCall, wave: Wave) -> int | None:
    """1 for what is new, 0 for the rest; None for neither."""
    if wave.targets:
        if call.cluster in wave.targets:
            return 1
        services = {each.partition("|")[0] for each in wave.targets}
        return 0 if call.cluster.partition("|")[0] in services else None
    return 1 if call.agent in wave.with_it else 0 if call.agent in wave.without else None
