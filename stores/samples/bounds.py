"""Bounds on series: in all, of an environment, and of one sender in it, so that the labels of one leave room for others'."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from stores.samples.refusals import Refusals
from telemetry.resource import service_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from stores.samples.store import Labels, SampleLimits


class SeriesBounds:
    """Counts series and admits new ones within the bounds."""

    def __init__(self, limits: SampleLimits) -> None:
        self._limits = limits
        self._environments: Counter[str] = Counter()
        self._senders: Counter[tuple[str, str]] = Counter()
        self._all = 0
        self.refusals = Refusals()

    def clear(self) -> None:
        """Forget which series there are."""
        self._environments.clear()
        self._senders.clear()
        self._all = 0

    def add(self, environment: str, labels: Labels, count: int = 1) -> None:
        """A series is there, or with a count of -1 it is not."""
        self._all += count
        self._environments[environment] += count
        self._senders[environment, sender_of(labels)] += count

    def admit(self, environment: str, labels: Labels, now: int) -> bool:
        """Whether there is room for a new series, which counts from then on. The narrowest bound is told first."""
        sender, limits = sender_of(labels), self._limits
        for there, bound, setting in (
            (self._senders[environment, sender], limits.series_per_sender, "samples.series_per_sender"),
            (self._environments[environment], limits.series_per_environment, "samples.series_per_environment"),
            (self._all, limits.series, "samples.series"),
        ):
            if there >= bound:
                self.refusals.note(environment, sender, setting, bound, now)
                return False
        self.add(environment, labels)
        return True


def sender_of(labels: Labels) -> str:
    """The service that a series comes from: of calls between two nodes the one that answers; empty where labels name none."""
    get: Callable[[str, str], str] = dict(labels).get
    if get("client", "") and get("server", ""):
        return get("server", "")
    job = get("job", "")
    name = get("service_name", "") or get("service", "")
    return job or (service_of(name, get("service_namespace", "")) if name else "")
