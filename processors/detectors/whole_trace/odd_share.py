"""Whether so many odd traces in one window are to be expected of a root operation."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from processors.detectors.rarity.surprise import surprise_of_share

if TYPE_CHECKING:
    from telemetry.json_object import JsonObject

PRIOR = 1.0, 20.0
"""Odd traces and traces imagined before any were judged: one in twenty."""

MEMORY = 2000.0
"""Traces remembered; older ones fade."""

_LIKE = 0.01, 20.0
"""How alike traces of a window are (intra-class correlation) before anything is known, and what that counts for: as much as
half a window of thirty."""

_FADE = 0.995
"""Of what is known of windows, with each further one."""

_MOST_LIKE = 0.5


class OddShare(NamedTuple):
    """How many traces of a window are odd, what share of all traces is, and how surprising that is, in nats."""

    odd: int
    traces: int
    usual: float
    surprise: float


class OddShares:
    """The usual share of odd traces, and how it varies between windows.

    Traces of a window share its load, so a count of odd ones varies more than a binomial one. By how much is learned (the
    moment estimator of a beta-binomial: Kleinman, "Proportions with Extraneous Variance", JASA 1973).
    """

    def __init__(self) -> None:
        self._odd, self._traces = PRIOR
        self._excess, self._weight = _LIKE[0] * _LIKE[1], _LIKE[1]

    def judge(self, odd: int, traces: int) -> OddShare:
        """How surprising the odd traces of a window are. Learns nothing."""
        usual = self._odd / self._traces
        if not odd:
            return OddShare(odd, traces, usual, 0.0)
        alike = min(max(self._excess / self._weight, 1.0 / MEMORY), _MOST_LIKE)
        known = min(1.0 / alike - 1.0, self._traces)
        return OddShare(odd, traces, usual, surprise_of_share(odd, traces, usual * known, (1.0 - usual) * known))

    def learn(self, share: OddShare) -> None:
        """Learn a window."""
        self._odd, self._traces = self._odd + share.odd, self._traces + share.traces
        if self._traces > MEMORY:
            self._odd, self._traces = self._odd * MEMORY / self._traces, MEMORY
        expected = share.traces * share.usual
        variance = expected * (1.0 - share.usual)
        fresh = _LIKE[1] * (1.0 - _FADE)
        self._excess = _FADE * self._excess + fresh * _LIKE[0] + (share.odd - expected) ** 2 - variance
        self._weight = _FADE * self._weight + fresh + variance * (share.traces - 1)

    def snapshot(self) -> JsonObject:
        """Plain data for `restore`."""
        return {"share": [self._odd, self._traces], "alike": [self._excess, self._weight]}

    def restore(self, snapshot: JsonObject) -> None:
        """Take the state of a snapshot."""
        self._odd, self._traces = snapshot["share"]
        self._excess, self._weight = snapshot["alike"]
