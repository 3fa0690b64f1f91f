"""Whose trouble is another's: what a service suffers from one that it calls is no reason to repair it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from alerting.inhibit import CallPaths

REMEMBERED = 60 * 10**9
"""How long after a repair its callers' alerts are explained by it, ns: the evidence of a ranking lives half as long."""


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

    def by_sick(self, service: str, sick: Iterable[str]) -> tuple[str, ...]:
        """The way from a service down to one that is sick itself; empty without one."""
        return self._calls.beneath(service, frozenset(sick) - {service})

    def by_repair(self, service: str, under_repair: Iterable[str], since: int) -> tuple[str, ...]:
        """The way from a service down to one under repair, or whose repair ended after `since`; empty without one.

        Of a service whose own repair ended after `since` it is the service alone. While that repair is open it is empty:
        whether the service still deviates is what tells whether the repair helps.
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
