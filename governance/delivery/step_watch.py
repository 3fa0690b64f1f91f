"""The calls of one step of a delivery: read, and compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from governance.compile.clusters import cluster_name
from governance.delivery.delivery import Seen
from governance.waves.comparing import CallBuffer
from governance.waves.sequential import Comparison

if TYPE_CHECKING:
    from governance.delivery.delivery import Delivery
    from governance.plans.delivery import DeliveryPlan


class StepWatch:
    """Begins with a step and ends with it; evidence of the steps before counts.

    Attributes:
        key: names the step; its calls are read for it.
        since: when it began.
        buffer: where calls are put.
    """

    def __init__(self, delivery: Delivery, plan: DeliveryPlan) -> None:
        self.key = f"{delivery.service} {delivery.plan} {delivery.since}"
        self.since, self.buffer = delivery.since, CallBuffer()
        self._old, self._new = (cluster_name(delivery.service, labels) for labels in (plan.old, plan.new))
        self._comparison = Comparison(())
        if delivery.evidence is not None:
            self._comparison.restore(delivery.evidence)
        self._before = (self._comparison.errors.old.calls, self._comparison.errors.new.calls)
        self._begun = False

    def seen(self) -> Seen:
        """What the calls say that were read until now."""
        if not self._begun:
            if (before := self.buffer.before(self.key)) is None:
                return Seen(said="no calls have been read yet")
            usual = (each.duration for each in before if each.cluster in {self._old, self._new})
            self._comparison.learn_bound(usual)
            self._begun = True
        sides: dict[str, list[tuple[bool, float]]] = {self._old: [], self._new: []}
        for call in self.buffer.since():
            if call.time >= self.since and call.cluster in sides:
                sides[call.cluster].append((call.failed, call.duration))
        self._comparison.add(sides[self._old], sides[self._new])
        errors = self._comparison.errors
        old, new = errors.old.calls - self._before[0], errors.new.calls - self._before[1]
        return Seen(self._comparison.worse(), old, new, self._comparison.said())

    def evidence(self) -> dict[str, object]:
        """What was learned until now, as plain data."""
        return self._comparison.snapshot()
