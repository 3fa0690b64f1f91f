"""What followed from a release that is delivered step by step: bad it goes back by itself, and mended it completes.

Calls that do not fail prove it, as with a release by fixed weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.durations import SECOND
from spanloom.experiments.mesh.canary_watch import CanaryWatch
from spanloom.experiments.watch import MILESTONES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from telemetry.documents import Body

RULE_WINDOW = 75 * SECOND
"""The rules that ship look at failures of a minute, for 15 s: an alert that began late would take back what was mended."""


@dataclass(slots=True)
class DeliveryWatch(CanaryWatch):
    """Follows one delivery to its end. `injection.service` is whose calls move, `revision` the one with the plan.

    Attributes:
        went_back: whether it did, so that the release can be mended.
    """

    went_back: bool = False
    _moved: str = ""
    _last_failure: int = 0  # the window of it, or when it went back
    _newest: int = 0  # window of calls

    @property
    def milestones(self) -> Mapping[str, str]:
        """What must happen, and what is reported when it does not."""
        return {
            "detected": MILESTONES["detected"],
            "repaired": "the delivery of {service} did not go back",
            "completed": "the delivery of the mended release of {service} did not complete",
            "verified": "no calls of {service} prove that the mended release is well",
        }

    @property
    def calm(self) -> bool:
        """Whether it went back so long ago, by the time of telemetry, that no rule sees its failures any more."""
        return self.went_back and self._newest >= self._last_failure + RULE_WINDOW

    def see_edges(self, edges: Sequence[Body], now: int) -> None:
        """Take the windows of calls to the service; those of one window add up."""
        for edge in edges:
            if edge["callee"]["name"] == self.injection.service:
                self._newest = max(self._newest, edge["window"])
                if edge["failures"]:
                    self._last_failure = max(self._last_failure, edge["window"])
        # Not super(): a dataclass with slots is another class than the one that was written.
        CanaryWatch.see_edges(self, edges, now)

    def see_deliveries(self, deliveries: Sequence[Body], now: int) -> None:
        """Take what the control plane says of all deliveries."""
        for delivery in deliveries:
            if delivery["service"] != self.injection.service or delivery["since"] < self.injection.time:
                continue  # it is of another service, or of a release before
            said = f"delivery of {delivery['service']}: {delivery['state']} at {delivery['share']:g} %"
            if said != self._moved:
                self._moved = said
                self._enter(now, "release", f"{said}: {delivery['why']}")
            if delivery["state"] == "rolled-back" and not self.went_back:
                self.went_back, self._last_failure = True, now
                self._reach("detected", now)
                self._reach("repaired", now)
            if delivery["state"] == "completed" and self.went_back and not self._over:
                self._over = now
                self._reach("completed", now)

    def figures(self) -> dict[str, object]:
        """The part of the report that is about this delivery."""
        return {**CanaryWatch.figures(self), "seconds_to_complete": self.seconds_to("completed")}
