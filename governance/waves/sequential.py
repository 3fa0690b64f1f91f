"""Whether one side of a release fails or is slow more often than the other, watched all the time. No clock, no I/O.

A test that is looked at again and again finds a difference by chance sooner or later. This one does not: its evidence is an
e-process, of which Ville's inequality says that with equal sides it ever exceeds 1/r with probability r at most.

Calls come in blocks of both sides. For rates a < b of the sides, of n_a and n_b calls in the block, and their mean
m = (n_a a + n_b b) / n, the factor of the block is the likelihood of its outcomes under a and b over that under m. With equal
rates t its expectation is (1 + c (t - m)(a - m))^n_a (1 + c (t - m)(b - m))^n_b with c = 1 / (m (1 - m)): at most 1 by the
inequality of arithmetic and geometric means, whatever t is. So t may change from block to block, for both sides alike.
The evidence is the mean over many pairs of rates. (Turner, Ly and Gruenwald, "Generic E-variables for exact sequential
k-sample tests that allow for optional stopping", 2024.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from telemetry.json_object import JsonObject

RATES = (0.0005, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)
"""Rates that are tried, each against all greater ones."""
QUANTILE = 0.9
"""A call is slow that lasts longer than this share of the calls before the release did."""
ENOUGH = 50
"""Calls before the release from which a bound of slow calls is known."""
RISK = 0.01
"""How likely a release is called worse that is not, in all of the time that it is watched."""


@dataclass(frozen=True, slots=True)
class Side:
    """Calls of a side, and how many of them were bad."""

    calls: int = 0
    bad: int = 0

    def __add__(self, other: Side) -> Side:
        """Both together."""
        return Side(self.calls + other.calls, self.bad + other.bad)

    def __str__(self) -> str:
        return f"{self.bad} of {self.calls}"


class RateTest:
    """Evidence that the rate of the newer side is the greater one."""

    def __init__(self) -> None:
        self.old, self.new = Side(), Side()
        pairs = [(low, high) for at, low in enumerate(RATES) for high in RATES[at + 1 :]]
        self._low, self._high = np.array(pairs).T
        self._logs = np.zeros(len(pairs))

    def add(self, old: Side, new: Side) -> None:
        """Take a block of calls, which were made at about the same time."""
        self.old, self.new = self.old + old, self.new + new
        if not old.calls or not new.calls:
            return  # the factor is 1
        mean = (old.calls * self._low + new.calls * self._high) / (old.calls + new.calls)
        for side, rates in ((old, self._low), (new, self._high)):
            self._logs += side.bad * np.log(rates / mean) + (side.calls - side.bad) * np.log((1 - rates) / (1 - mean))

    def evidence(self) -> float:
        """The logarithm of the e-process, in nats."""
        return float(np.logaddexp.reduce(self._logs) - np.log(len(self._logs)))

    def snapshot(self) -> JsonObject:
        """The test as plain data."""
        return {"old": [self.old.calls, self.old.bad], "new": [self.new.calls, self.new.bad], "logs": self._logs.tolist()}

    def restore(self, data: JsonObject) -> None:
        """Go on from plain data; of other rates only the counts are used, and evidence begins again."""
        self.old, self.new = Side(*data["old"]), Side(*data["new"])
        logs = np.array(data["logs"], dtype=float)
        if logs.shape == self._logs.shape:
            self._logs = logs


class Comparison:
    """Errors and latency of both sides of a release.

    Args:
        before: durations of calls before the release, in any unit; with too few of them latency is not compared.
        risk: see `RISK`; each of the two tests has half of it.
    """

    def __init__(self, before: Iterable[float], risk: float = RISK) -> None:
        self.bound: float | None = None
        self.learn_bound(before)
        self.errors, self.latency = RateTest(), RateTest()
        self._certain = float(np.log(2 / risk))

    def learn_bound(self, before: Iterable[float]) -> None:
        """From which duration on a call is slow, of calls before those that are compared; what is known stays."""
        if self.bound is None and len(durations := sorted(before)) >= ENOUGH:
            self.bound = durations[int(QUANTILE * (len(durations) - 1))]

    def snapshot(self) -> JsonObject:
        """The comparison as plain data."""
        return {"version": 1, "bound": self.bound, "errors": self.errors.snapshot(), "latency": self.latency.snapshot()}

    def restore(self, data: JsonObject) -> None:
        """Go on from plain data."""
        self.bound = data["bound"]
        self.errors.restore(data["errors"])
        self.latency.restore(data["latency"])

    def add(self, old: Iterable[tuple[bool, float]], new: Iterable[tuple[bool, float]]) -> None:
        """Take a block of calls of both sides: whether each failed, and how long it lasted."""
        sides = (list(old), list(new))
        self.errors.add(*(Side(len(calls), sum(failed for failed, _ in calls)) for calls in sides))
        if self.bound is not None:
            self.latency.add(*(Side(len(calls), sum(lasted > self.bound for _, lasted in calls)) for calls in sides))

    def worse(self) -> str:
        """Why the newer side is worse, in words; empty while nothing shows that."""
        for test, what in ((self.errors, "failed"), (self.latency, "were slow")):
            if test.evidence() >= self._certain:
                return f"{test.new} calls of what is new {what}, and {test.old} of the rest"
        return ""

    def said(self) -> str:
        """The counts in words."""
        latency = f", {self.latency.new} and {self.latency.old} were slow" if self.bound is not None else ""
        return f"{self.errors.new} calls of what is new failed, {self.errors.old} of the rest{latency}: no difference is sure"
