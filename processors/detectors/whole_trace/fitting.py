"""What is usual of a root operation's traces, fitted, and how rare by that each trace is.

Half of the traces fit the model; the other half, which it has not seen, says how far usual traces are from it (split
conformal prediction: Vovk et al., "Algorithmic Learning in a Random World", 2005). Beyond them a generalised Pareto
distribution goes on, as for any series (`rarity/tail.py`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

import numpy as np

from processors.detectors.rarity.distances import COUNTED, Distances
from processors.detectors.rarity.tail import Tail
from processors.detectors.whole_trace.times import fit_times

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from processors.detectors.whole_trace.rows import Place, TraceRow
    from processors.detectors.whole_trace.times import TimeModel
    from telemetry.json_object import JsonObject


class Fit(NamedTuple):
    """A model, and the squared distances from it of traces that it was not fitted to, ascending."""

    model: TimeModel
    calibration: NDArray[np.float64]


def fit(names: Sequence[Place], rows: Sequence[TraceRow]) -> Fit:
    """Fit by one half of the traces and calibrate by the other. The same traces give the same fit, in whatever order."""
    ordered = sorted(rows, key=lambda row: (crc32(row.trace_id, 1), row.trace_id))
    model = fit_times(names, ordered[::2])
    rest = ordered[1::2]
    return Fit(model, np.sort(model.shares(model.deviations(rest)).sum(axis=1)))


class Rarity:
    """How rare a distance is among those of usual traces: of the calibration, and of those that were judged since."""

    def __init__(self) -> None:
        self._tail, self._distances = Tail(), Distances()
        self._calibration: NDArray[np.float64] = np.zeros(0)

    def begin(self, calibration: NDArray[np.float64]) -> None:
        """Start with the distances of a new fit."""
        self.resume(calibration)
        self._tail, self._distances = Tail(), Distances()
        for distance in calibration.tolist():
            self.learn(distance)

    def resume(self, calibration: NDArray[np.float64]) -> None:
        """Go on with the distances of a fit that was known before a restart."""
        self._calibration = calibration
        self._middle = float(np.median(calibration))

    def surprises(self, distances: NDArray[np.float64]) -> list[float]:
        """-ln of the chance that a usual trace is as far from the model."""
        count = len(self._calibration)
        as_far = count - np.searchsorted(self._calibration, distances)
        found: list[float] = np.log((count + 1) / (as_far + 1)).tolist()
        for at in np.flatnonzero(as_far <= count * 0.05).tolist():
            claim = self._tail.claim(float(distances[at]), self._likely)
            found[at] = claim or min(found[at], math.log(20.0))
        return found

    def _likely(self) -> NDArray[np.float64]:
        return self._distances.likely(COUNTED)

    def learn(self, distance: float) -> None:
        """Learn the distance of a trace that counts as usual."""
        self._tail.add(distance)
        self._distances.add(distance - self._middle)

    def snapshot(self) -> JsonObject:
        """Plain data for `restore`; the calibration comes again with the fit."""
        return {"tail": self._tail.snapshot(), "distances": self._distances.snapshot()}

    def restore(self, snapshot: JsonObject) -> None:
        """Take the state of a snapshot; `resume` has to follow."""
        self._tail.restore(snapshot["tail"])
        self._distances.restore(snapshot["distances"])
