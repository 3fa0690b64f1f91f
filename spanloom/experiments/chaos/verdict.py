"""The verdict on an experiment: measured values in, sentences out. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spanloom.experiments.chaos.experiment import Expect

SECOND = 10**9


@dataclass(slots=True)
class Downtime:
    """Time in which half of the users' requests or more failed, from running totals of the load."""

    total: int = 0
    lost: int = 0
    _last: tuple[int, int, int] | None = None

    def add(self, now: int, sent: int, failed: int) -> None:
        """Take the totals as they are at a time. The span since the last call is down or not as a whole."""
        if self._last is not None:
            then, sent_then, failed_then = self._last
            requests, failures = sent - sent_then, failed - failed_then
            self.lost += failures
            if requests and 2 * failures >= requests:
                self.total += now - then
        self._last = (now, sent, failed)


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was seen. Times in seconds since the fault; None: it did not happen while it was watched.

    `failed_over` is what the shop's supervisor did; `taken_over` are the calls of it that telemetry shows, and within the
    second of a restart there may be none. `alerts` are all that began to fire, of whichever service.
    """

    detected: float | None
    alerted: float | None
    repaired: float | None
    verified: float | None
    culprit_first: bool
    failed_over: bool
    downtime: float
    lost: int
    taken_over: int = 0
    alerts: tuple[str, ...] = ()


def verdict(expect: Expect, seen: Measurement) -> list[str]:
    """A sentence for each expectation that was not met; empty when all were."""
    wrong = []
    for name, limit, value in (
        ("alert", expect.alert_within, seen.alerted),
        ("verified repair", expect.verified_within, seen.verified),
    ):
        if limit is not None and (value is None or value > limit / SECOND):
            when = "never" if value is None else f"after {value:.1f} s"
            wrong.append(f"{name}: {when}, expected within {limit / SECOND:g} s")
    if expect.no_alert and seen.alerts:
        wrong.append(f"alert: {', '.join(seen.alerts)}; expected none")
    if expect.culprit_first and not seen.culprit_first:
        wrong.append("culprit: the service with the fault is not ranked first")
    if expect.failover and not seen.failed_over:
        wrong.append("failover: no other instance took the traffic")
    if expect.downtime_below is not None and seen.downtime >= expect.downtime_below / SECOND:
        wrong.append(f"downtime: {seen.downtime:.1f} s, expected below {expect.downtime_below / SECOND:g} s")
    if expect.lost_below is not None and seen.lost >= expect.lost_below:
        wrong.append(f"requests lost: {seen.lost}, expected below {expect.lost_below}")
    return wrong
