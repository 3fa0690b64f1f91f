"""Whose trouble is another's: what a service suffers from one that it calls is no reason to repair it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from alerting.playbooks.kernel.safety import StartRejection
from telemetry.sentences.wording import Wording

if TYPE_CHECKING:
    from collections.abc import Iterable

    from alerting.alertmanager.inhibition import CallPaths

EPISODE = 300 * 10**9
"""Alerts that began so close to each other, ns, may be of one fault. Older ones are known, and hold up nobody's repair."""

REMEMBERED = 60 * 10**9
"""How long after a repair its callers' alerts are explained by it, ns: the evidence of a ranking lives half as long."""


class Sick:
    """The services that have an alert at one moment, as a repair of another that began to be sick at a time sees them.

    Args:
        alerts: service, start, and whether a playbook answers: such an alert counts however old it is, others while young.
    """

    def __init__(self, alerts: Iterable[tuple[str, int, bool]]) -> None:
        self._until: dict[str, float] = {}  # the latest start for which an alert of the service counts
        for service, start, answered in alerts:
            until = math.inf if answered else start + EPISODE
            self._until[service] = max(until, self._until.get(service, 0))
        self._seen: dict[int, frozenset[str]] = {}

    def for_one_since(self, time: int) -> frozenset[str]:
        """The services that may explain what began at a time, ns."""
        if time not in self._seen:
            self._seen[time] = frozenset(service for service, until in self._until.items() if time <= until)
        return self._seen[time]


class Explanations:
    """Remembers the repairs that ended lately, and looks for ways to them along the live call graph.

    Args:
        calls: who calls whom, kept by its owner.
    """

    def __init__(self, calls: CallPaths) -> None:
        self._calls = calls
        self._ended: dict[str, int] = {}

    def repair_ended(self, service: str, now: int) -> None:
        """A repair of the service is over."""
        self._ended = {repaired: end for repaired, end in self._ended.items() if now < end + REMEMBERED}
        self._ended[service] = now

    def refusal(self, service: str, sick: frozenset[str], under_repair: Iterable[str], now: int) -> StartRejection | None:
        """Why a service is not to be repaired for what one that it calls does to it; None when it may."""
        path = self._calls.beneath(service, sick - {service})
        if path:
            return StartRejection("caller", Wording.CALLEE_ALERTS(callee=path[-1], path=" -> ".join(path)))
        path = self.by_repair(service, under_repair, now - REMEMBERED)
        if len(path) > 1:
            return StartRejection("caller", Wording.CALLEE_REPAIRED(callee=path[-1], path=" -> ".join(path)))
        return None

    def by_repair(self, service: str, under_repair: Iterable[str], since: int) -> tuple[str, ...]:
        """The way from a service down to one under repair, or whose repair ended after `since`; empty without one.

        Of a service whose own repair ended after `since` it is the service alone. While that repair is open it is empty:
        whether the service still deviates shows whether the repair helps.
        """
        open_ = frozenset(under_repair)
        ended = frozenset(repaired for repaired, end in self._ended.items() if since < end)
        if service in ended - open_:
            return (service,)
        return self._calls.beneath(service, (open_ | ended) - {service})

    def snapshot(self) -> dict[str, int]:
        """Plain data."""
        return dict(self._ended)

    def restore(self, ended: dict[str, int]) -> None:
        """Take a snapshot's repairs in place of what is remembered."""
        self._ended = dict(ended)
