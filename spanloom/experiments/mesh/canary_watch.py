"""What followed from a bad release: found by comparison, taken back by the control plane, proven by calls that do not fail.

No alert has to fire: the release may be gone before.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.durations import SECOND
from spanloom.experiments.watch import MILESTONES, DemoWatch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from telemetry.documents import Body

ENOUGH_CALLS = 20
"""Calls without a failure that prove that the bad version has no share any more; it failed every second of its own."""
SETTLED = 2 * SECOND
"""After the release was taken back, until calls that were under way have ended."""


@dataclass(slots=True)
class CanaryWatch(DemoWatch):
    """Follows one revision to its end. `injection.service` is the service that it releases."""

    revision: str = ""
    _said: str = ""
    _over: int = 0  # since when no calls go to what is bad

    @property
    def milestones(self) -> Mapping[str, str]:
        """What must happen, and what is reported when it does not."""
        return {
            "detected": MILESTONES["detected"],
            "repaired": "the release of {service} was not taken back",
            "verified": "no calls of {service} prove that the release is gone",
        }

    @property
    def must_rank_first(self) -> bool:
        """No: who is to blame is known from what was released, and a ranking may come only after it was taken back."""
        return False

    def see_rollout(self, rollout: Body | None, now: int) -> None:
        """Take what the control plane says of the release that is on its way, or was last."""
        if rollout is None or rollout["revision"] != self.revision:
            return
        said = f"revision {self.revision} is {rollout['state']}: {rollout['why']}"
        if said != self._said:
            self._said = said
            self._enter(now, "release", said)
        if rollout["state"] == "rolled-back" and not self._over:
            self._over = now
            self._reach("detected", now)  # by comparison, where no anomaly and no alert came before
            self._reach("repaired", now)

    def see_edges(self, edges: Sequence[Body], now: int) -> None:
        """Take the windows of calls to the service; those of one window add up."""
        if not self._over or "verified" in self._reached:
            return
        calls: dict[int, int] = defaultdict(int)
        failures: dict[int, int] = defaultdict(int)
        for edge in edges:
            if edge["callee"]["name"] == self.injection.service and edge["window"] >= self._over + SETTLED:
                calls[edge["window"]] += edge["calls"]
                failures[edge["window"]] += edge["failures"]
        last = max((window for window, failed in failures.items() if failed), default=0)
        proof = sum(number for window, number in calls.items() if window > last)
        if proof >= ENOUGH_CALLS:
            self._enter(now, "release", f"{proof} calls of {self.injection.service} since, by telemetry, and none failed")
            self._reach("verified", now)
