"""One streaming detector for any series: causal, one pass, constant memory, no settings per series.

A value is compared with what its baseline expects (time of day where it is known). The distance, and the distance of
the last values together, which tells a shift from a spike, are each judged by the tail of its own history, so that a
restless series needs more than a steady one. Out comes a surprise in nats: s means once in e**s values. Values are compared
by the best fit of the tail; what a score claims beyond one half is averaged over all that the tail may be (`rarity/tail.py`).

A surprise that follows a greater one is the same event going on, not news: until a tenth of the series' age has passed
it must be exceeded. And what was reported is reported again within the next values only if it is twice as surprising, or beyond
doubt for the first time. So a shift is reported once, early, and an event that grows is reported again, but not at each step.

What is beyond doubt is an event by itself. It is not learned, as in SPOT (`tail.py`), or an outage would make the next one
seem usual, and it is news again as soon as the series has been calm. But what goes on is how things are now, and what
happens more than once in a thousand values, and more than a few times, is a habit: both are learned.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from processors.detectors.baseline import Baseline
from processors.detectors.rarity.distances import COMMON, COUNTED, Distances
from processors.detectors.rarity.tail import WARM_UP, Tail
from telemetry.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from processors.detectors.baseline import Expected
    from telemetry.json_object import JsonObject

HALF = 6.0
"""Nats that score one half: once in four hundred values."""

MOST = 300.0
"""Nats beyond which a score cannot be told from 1."""

SHIFT_VALUES = 30
"""Values over which a shift is averaged."""

SHIFT_WEIGHT = 0.6
"""What a surprise of the average counts for: averages of 30 values overlap, so their extremes come in clusters."""

REST = 0.1
"""Share of the series' age during which a lesser surprise is a repetition."""

CERTAIN = 14.0
"""Nats from which a surprise is an event by itself: once in a million values, where an alarm begins."""

CALM = 30
"""Values in a row that score less than one half, after which an event is over."""

GROWN = 2.0
"""How many times as surprising as when it was reported an event must be to be reported again."""

HABIT = 1000
"""Values to an event; more of them are a habit of the series, and learned."""

FEW = 5
"""Events that are no habit yet, however soon they came one after the other."""

PASSED_OVER = 60
"""Values of one event that are not learned; what has lasted longer is how things are now."""

YOUNG = 8
"""Values before which nothing is judged."""

_MOST_RECENT = 64
"""Bound on the falling surprises remembered; each is less than the one before it, so the last ones say least."""

_MOST_EXTREMES = 8
"""Distances remembered that were beyond doubt by the best fit alone: claims reckon with them, as the tail may be heavy."""

_MOST_FREEDOM = 8.0
_SPREAD_MEMORY = 300
_SNAPSHOT_VERSION = 3


@dataclass(frozen=True, slots=True)
class Scored:
    """How odd a value is: `score` 0..1 says the same as `surprise`; `spread` is the usual distance from `expected`."""

    score: float
    surprise: float
    expected: float
    spread: float
    why: str


def score_of(surprise: float) -> float:
    """A surprise in nats on a scale of 0 to 1: 6 nats are one half, 14 are 0.8, 20 are 0.9."""
    return -math.expm1(-surprise * math.log(2.0) / HALF)


def surprise_of(score: float) -> float:
    """Inverse of `score_of`; no score claims more than `MOST`."""
    return min(MOST, -math.log1p(-score) * HALF / math.log(2.0)) if score < 1.0 else MOST


def count_surprise(seen: float, expected: float) -> float:
    """How surprising a count can be, in nats: it varies at least as a Poisson's does, however steady it was so far.

    The square root of a Poisson count varies by one half whatever its mean (Anscombe, 1948); the added 3/8 also stand for
    not knowing a small mean exactly. So ten at once where there are none usually are no anomaly yet, eleven are.
    """
    distance = 2 * (math.sqrt(max(seen, 0.0) + 3 / 8) - math.sqrt(max(expected, 0.0) + 3 / 8))
    return distance * distance / 2


@dataclass(frozen=True, slots=True)
class _Judgement:
    """Of a value: the surprise by the best fit of the tail, by which values are compared, and the one that it may claim."""

    surprise: float
    claim: float
    is_shift: bool  # it lies in the average of the last values rather than in the value


class StreamingDetector:
    """Scores the values of one series in the order of their times.

    Args:
        least: the spread that a series is assumed to have at least while it is young, in its unit.
        least_share: the same, as a share of the expected value.

    >>> detector = StreamingDetector()
    >>> for minute in range(100):
    ...     scored = detector.update(minute * 60_000_000_000, 10.0 + minute % 3)
    >>> scored.score
    0.0
    >>> detector.update(100 * 60_000_000_000, 50.0).score > 0.5
    True
    """

    __slots__ = (
        "_age",
        "_baseline",
        "_bodies",
        "_calm",
        "_events",
        "_extremes",
        "_last_report",
        "_least",
        "_least_share",
        "_recent",
        "_shift",
        "_skipped",
        "_spread",
        "_tails",
    )

    def __init__(self, least: float = 0.0, least_share: float = 0.25) -> None:
        self._least = least
        self._least_share = least_share
        self._age = 0
        self._baseline = Baseline()
        self._spread = 0.0
        self._shift = 0.0
        self._tails = {(seasonal, shift): Tail() for seasonal in (False, True) for shift in (False, True)}
        self._bodies = [Distances() for _ in (False, True)]
        self._extremes: list[float] = []  # not learned, and not so odd that they are none of this series
        self._recent: deque[tuple[int, float]] = deque()  # age and surprise, falling: what a new surprise must exceed
        self._calm = CALM  # values in a row that were nothing much
        self._events = 0  # beyond doubt, so far
        self._skipped = 0  # values of the event that goes on that were not learned
        self._last_report = 0, 0.0  # age and surprise of the last news

    def update(self, time: int, value: float, one: float = 0.0) -> Scored:
        """Score a value and learn it.

        Args:
            time: nanoseconds since the epoch.
            value: in the unit of the series.
            one: where the value counts things, what one of them adds to it; else 0.
        """
        expected = self._baseline.expect(time)
        judged = self._judge(expected, value, one)
        scored = self._scored(expected, value, judged)
        self._learn(time, value, expected, judged, one)
        return scored

    def score_one(self, time: int, value: float, one: float = 0.0) -> Scored:
        """How odd a value would be now. Changes nothing. A value that is not finite is as odd as can be."""
        expected = self._baseline.expect(time)
        return self._scored(expected, value, self._judge(expected, value, one))

    def _scored(self, expected: Expected, value: float, judged: _Judgement) -> Scored:
        if not math.isfinite(value):
            return Scored(1.0, math.inf, expected.value, self._spread, f"{value} is no finite number")
        if self._age < YOUNG:
            return Scored(0.0, 0.0, expected.value, self._spread, f"only {self._age} values known")
        surprise = judged.claim if self._is_reportable(judged.surprise) else 0.0
        basis = "at this time of day" if expected.seasonal else "lately"
        how = f"for the last {SHIFT_VALUES} values together " if judged.is_shift else ""
        why = (
            f"{value:.6g} where {expected.value:.6g} is usual {basis}, give or take {self._spread:.3g}: "
            f"{how}about once in {_once_in(surprise)} values"
        )
        return Scored(score_of(surprise), surprise, expected.value, self._spread, why if surprise else "as usual")

    def _learn(self, time: int, value: float, expected: Expected, judged: _Judgement, one: float) -> None:
        if not math.isfinite(value):
            return
        learnt = True
        if self._baseline.known:
            seasonal, surprise = expected.seasonal, judged.surprise
            distance = value - expected.value
            if surprise >= HALF and self._is_reportable(surprise):
                self._last_report = self._age, surprise
            self._shift += (distance - self._shift) / SHIFT_VALUES
            learnt = self._is_learnt(surprise)
            if learnt:
                self._tails[seasonal, False].add(abs(distance))
                self._bodies[seasonal].add(max(abs(distance), one / 2))  # less than half a count is no distance
                self._spread += (abs(distance) - self._spread) / min(self._age, _SPREAD_MEMORY)
            elif judged.claim < CERTAIN:
                self._extremes = sorted([*self._extremes, abs(distance)])[-_MOST_EXTREMES:]
            self._tails[seasonal, True].add(abs(self._shift))
            self._remember(surprise)
        if learnt or self._least == 0.0:  # a level in no known unit may well have changed for good
            self._baseline.add(time, value)
        self._age += 1

    def _judge(self, expected: Expected, value: float, one: float) -> _Judgement:
        """What is known of a value. Nothing is judged while the series is too young, nor what is not finite."""
        if self._age < YOUNG or not math.isfinite(value):
            return _Judgement(0.0, 0.0, is_shift=False)
        distance = value - expected.value
        shift = self._shift + (distance - self._shift) / SHIFT_VALUES
        tail, shifts = self._tails[expected.seasonal, False], self._tails[expected.seasonal, True]
        body, common = self._bodies[expected.seasonal], COUNTED if one > 0.0 else COMMON

        seen = max(HALF, math.log(self._age) - 1.0)  # three such values were to be expected: the best fit interpolates

        def likely() -> NDArray[np.float64]:
            return body.likely(common)

        if tail.warm or self._age > WARM_UP:
            spike = tail.surprise(abs(distance))
            claim = min(spike, tail.claim(abs(distance), likely, self._extremes)) if spike > seen else spike
        else:
            least = max(self._least, self._least_share * abs(expected.value))
            spike = claim = self._young_surprise(abs(distance), least)
            if self._least == 0.0 and spike > seen:  # of what is measured in no known unit nobody knows how uneven it is
                claim = min(spike, tail.early_claim(abs(distance), likely, max(least, 1e-12)))
        drift = SHIFT_WEIGHT * shifts.surprise(abs(shift))
        drift_claim = min(drift, SHIFT_WEIGHT * shifts.claim(abs(shift), likely)) if drift > seen else drift
        if one > 0.0:
            limit = count_surprise(value / one, expected.value / one)
            several = SHIFT_VALUES / one
            drift_limit = count_surprise((expected.value + shift) * several, expected.value * several)
            spike, claim = min(spike, limit), min(claim, limit)
            drift, drift_claim = min(drift, drift_limit), min(drift_claim, drift_limit)
        surprise, claim, is_shift = max(spike, drift), max(claim, drift_claim), drift_claim > claim
        return _Judgement(surprise, max(claim, min(surprise, seen)), is_shift=is_shift)

    def _is_learnt(self, surprise: float) -> bool:
        """Whether a distance is one to learn: not of an event beyond doubt that is neither a habit nor how things are now.

        Of what is measured in a known unit an event ends when nothing is odd any more, not when it is less odd for once.
        """
        certain = surprise >= CERTAIN
        begins = certain and self._skipped == 0 and self._events <= max(self._age / HABIT, FEW)
        continues = surprise >= (HALF if self._least > 0.0 else CERTAIN) and 0 < self._skipped < PASSED_OVER
        self._events += begins
        self._skipped += begins or continues
        self._calm = self._calm + 1 if surprise < HALF else 0
        if self._calm >= CALM:
            self._skipped = 0
        return not (begins or continues)

    def _young_surprise(self, distance: float, least: float) -> float:
        """Without a tail yet: -ln of the density of Student's t, with heavier tails the fewer values are known."""
        spread = max(1.25 * self._spread, least, 1e-12)
        freedom = min(self._age - 1.0, _MOST_FREEDOM)
        return (freedom + 1) / 2 * math.log1p((distance / spread) ** 2 / freedom)

    def _is_reportable(self, surprise: float) -> bool:
        """Whether a surprise is more than the same event going on."""
        if surprise <= self._repeated() and not (surprise >= CERTAIN and self._calm >= CALM):
            return False
        age, reported = self._last_report
        return self._age - age > CALM or surprise >= GROWN * reported or surprise >= CERTAIN > reported

    def _repeated(self) -> float:
        """The surprise that a new one has to exceed to be news."""
        since = self._age - REST * (self._age + 1)
        return next((surprise for age, surprise in self._recent if age > since), 0.0)

    def _remember(self, surprise: float) -> None:
        since = self._age - REST * (self._age + 1)
        while self._recent and self._recent[0][0] <= since:
            self._recent.popleft()
        if surprise > 0:
            while self._recent and self._recent[-1][1] <= surprise:
                self._recent.pop()
            if len(self._recent) < _MOST_RECENT:
                self._recent.append((self._age, surprise))

    def snapshot(self) -> JsonObject:
        """Plain data for `restore`."""
        return {
            "version": _SNAPSHOT_VERSION,
            "age": self._age,
            "spread": self._spread,
            "shift": self._shift,
            "baseline": self._baseline.snapshot(),
            "tails": [self._tails[key].snapshot() for key in sorted(self._tails)],
            "bodies": [body.snapshot() for body in self._bodies],
            "extremes": self._extremes,
            "event": [self._calm, self._events, self._skipped],
            "told": list(self._last_report),
            "recent": [list(item) for item in self._recent],
        }

    def restore(self, snapshot: JsonObject) -> None:
        """Take the state of a snapshot instead of the present one.

        Raises:
            InputError: the snapshot has another version.
        """
        if snapshot.get("version") != _SNAPSHOT_VERSION:
            raise InputError(f"detector: snapshot version {snapshot.get('version')!r}, this release reads {_SNAPSHOT_VERSION}")
        self._age, self._spread, self._shift = snapshot["age"], snapshot["spread"], snapshot["shift"]
        self._baseline.restore(snapshot["baseline"])
        for key, tail in zip(sorted(self._tails), snapshot["tails"], strict=True):
            self._tails[key].restore(tail)
        for body, counts in zip(self._bodies, snapshot.get("bodies", ([], [])), strict=True):  # 0.3.0 has none
            body.restore(counts)
        self._extremes = list(snapshot.get("extremes", ()))
        self._calm, self._events, self._skipped = snapshot["event"]
        self._last_report = snapshot["told"][0], snapshot["told"][1]
        self._recent = deque((int(age), float(surprise)) for age, surprise in snapshot["recent"])


def _once_in(surprise: float) -> str:
    return f"{math.exp(surprise):.2g}" if surprise < 40 else "1e17 or more"
