"""What is known of the traces of one root operation, and how it is learned, kept, and learned again.

A fit is asked for and brought back (`wanted`, `take`): it runs wherever the caller sees fit.
"""

from __future__ import annotations

import math
from array import array
from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from processors.assembly.watermark import SECOND
from processors.detectors.detector import ALARM
from processors.detectors.streaming import score_of
from processors.detectors.whole_trace.calls import CallCounts
from processors.detectors.whole_trace.fitting import Rarity, fit
from processors.detectors.whole_trace.judged import ODD, JudgedTrace, Part, parts_of
from processors.detectors.whole_trace.odd_share import OddShares
from processors.detectors.whole_trace.reservoir import SIZE, Reservoir
from processors.detectors.whole_trace.rows import Places, TraceRow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from processors.detectors.whole_trace.fitting import Fit
    from processors.detectors.whole_trace.odd_share import OddShare
    from processors.detectors.whole_trace.times import TimeModel
    from telemetry.json_object import JsonObject

FIRST = 120
"""Traces of a root from which on it is judged: 60 to fit by, 60 that say how far usual ones are."""

REFIT = 2000
"""Traces judged after which a model is fitted again; before that, whenever twice as many are known as it was fitted to."""

SUSPECT = 0.5
"""Score of a window's share of odd traces from which nothing is learned of it."""

DRIFT_TRACES, DRIFT_SHARE = 100, 0.15
"""Traces of the last windows, and the share of odd ones (one in twenty usually) from which on traces have changed."""

DRIFT_LASTS = 600 * SECOND
"""How long a change lasts before it is how things are: a shorter incident must not become usual."""

_DOUBT = math.log(2.0)
"""Two questions are asked of a trace: of its times and of its calls."""


class RootModel:
    """Judges the traces of one root operation, window by window.

    Args:
        first: traces from which on it judges.

    Attributes:
        version: counts the fits.
    """

    def __init__(self, first: int = FIRST) -> None:
        self._first = first
        self.places = Places()
        self.version = 0
        self._calls = CallCounts()
        self._reservoir = Reservoir()
        self._changed: Reservoir | None = None  # since a change that may be an incident
        self._changed_at = 0
        self._recent: deque[tuple[int, int]] = deque()  # traces and odd ones of the last windows
        self._fitted: list[TraceRow] = []  # what the model was fitted to
        self._model: TimeModel | None = None
        self._rarity = Rarity()
        self._is_restored = False
        self._judged = 0
        self._shares = OddShares()

    @property
    def traces(self) -> int:
        """Traces that it keeps: one that the model was fitted to and that is in the reservoir counts twice."""
        return len(self._reservoir.rows) + len(self._fitted) + (len(self._changed.rows) if self._changed else 0)

    def wanted(self) -> Callable[[], Fit] | None:
        """A fit that is due, as a pure function that takes up to a second; its result belongs to `take`."""
        rows, names = self._fitted, list(self.places.names)
        if not self._is_restored:
            if not self._is_due():
                return None
            rows = self._fitted = list(self._reservoir.rows)
        return lambda: fit(names, rows)

    def _is_due(self) -> bool:
        known = len(self._reservoir.rows)
        if self._changed is not None or known < self._first:
            return False
        return not self._fitted or self._judged >= REFIT or (known >= min(2 * len(self._fitted), SIZE) > len(self._fitted))

    def take(self, fitted: Fit) -> None:
        """Judge by this fit from now on."""
        self._model = fitted.model
        if self._is_restored:
            self._rarity.resume(fitted.calibration)
            self._is_restored = False
            return
        self._rarity.begin(fitted.calibration)
        self.version += 1
        self._judged = 0

    def judge(self, window: int, rows: Sequence[TraceRow]) -> tuple[list[JudgedTrace], OddShare]:
        """Judge the traces of a window by what was known before it, then learn them.

        Args:
            window: its start, nanoseconds.
            rows: in an order that does not depend on that of arrival.
        """
        judged = self.score(rows)
        odd = sum(trace.is_odd for trace in judged)
        share = self._shares.judge(odd, len(rows))
        self._learn(window, rows, judged, share)
        return judged, share

    def score(self, rows: Sequence[TraceRow]) -> list[JudgedTrace]:
        """Judge traces by what is known so far; none before the first fit. Changes nothing."""
        model = self._model
        if model is None:
            return []
        deviations = model.deviations(rows)
        shares = model.shares(deviations)
        distances = shares.sum(axis=1)
        found = []
        for at, (row, slow) in enumerate(zip(rows, self._rarity.surprises(distances), strict=True)):
            calls = self._calls.oddities(row)
            oddest = calls[0].surprise if calls else 0.0
            odd = self._calls.surprise(oddest)
            surprise = max(0.0, max(slow, odd) - _DOUBT)
            parts: tuple[Part, ...] = ()
            if surprise >= ODD:
                times = shares[at] if slow >= ODD else np.zeros_like(shares[at])
                parts = parts_of(self.places.names, model, times, deviations[at], calls if odd >= ODD else ())
            found.append(JudgedTrace(row, surprise, float(distances[at]), oddest, parts))
        return found

    def _learn(self, window: int, rows: Sequence[TraceRow], judged: Sequence[JudgedTrace], share: OddShare) -> None:
        if not judged:
            self._calls.learn_all(rows)
            self._reservoir.take(rows)
            return
        self._judged += len(rows)
        self._follow_drift(window, rows, share)
        if self._changed is not None or score_of(share.surprise) >= SUSPECT:
            return
        usual = [trace for trace in judged if trace.score < ALARM]
        for trace in usual:
            self._calls.learn(trace.row, trace.oddest)
            self._rarity.learn(trace.distance)
        self._reservoir.take([trace.row for trace in usual])
        self._shares.learn(share)

    def _follow_drift(self, window: int, rows: Sequence[TraceRow], share: OddShare) -> None:
        self._recent.append((share.traces, share.odd))
        while sum(traces for traces, _ in self._recent) - self._recent[0][0] >= DRIFT_TRACES:
            self._recent.popleft()
        traces = sum(traces for traces, _ in self._recent)
        odd = sum(odd for _, odd in self._recent)
        changes = odd >= DRIFT_SHARE * (traces if self._changed is not None else max(traces, DRIFT_TRACES))
        if not changes:
            self._changed = None
            return
        if self._changed is None:
            self._changed, self._changed_at = Reservoir(), window
        self._changed.take(rows)
        if window - self._changed_at >= DRIFT_LASTS and len(self._changed.rows) >= FIRST:
            self._begin_again(self._changed)

    def _begin_again(self, changed: Reservoir) -> None:
        """Forget what was before a change that has lasted."""
        self._reservoir, self._changed = changed, None
        self._fitted, self._model = [], None
        self._recent.clear()
        self._calls = CallCounts()
        self._calls.learn_all(changed.rows)
        self._shares = OddShares()

    def snapshot(self) -> JsonObject:
        """Plain data for `restore`. A model is not in it but what it was fitted to, which gives the same one."""
        every = {id(row): row for row in (*self._reservoir.rows, *self._fitted)}
        number = {key: index for index, key in enumerate(every)}
        return {
            "places": self.places.names[1:],
            "rows": [_plain(row) for row in every.values()],
            "reservoir": [number[id(row)] for row in self._reservoir.rows],
            "fitted": [number[id(row)] for row in self._fitted],
            "changed": None if self._changed is None else [_plain(row) for row in self._changed.rows],
            "changed_at": self._changed_at,
            "recent": list(self._recent),
            "calls": self._calls.snapshot(),
            "rarity": self._rarity.snapshot(),
            "shares": self._shares.snapshot(),
            "judged": self._judged,
            "version": self.version,
        }

    @classmethod
    def restored(cls, snapshot: JsonObject) -> RootModel:
        """That of a snapshot. Its fit is `wanted` before it judges."""
        model = cls()
        model.places = Places([*model.places.names, *((service, operation) for service, operation in snapshot["places"])])
        rows = [_row(row) for row in snapshot["rows"]]
        model._reservoir = Reservoir(rows[number] for number in snapshot["reservoir"])
        model._fitted = [rows[number] for number in snapshot["fitted"]]
        if snapshot["changed"] is not None:
            model._changed = Reservoir(_row(row) for row in snapshot["changed"])
        model._changed_at = snapshot["changed_at"]
        model._recent = deque((traces, odd) for traces, odd in snapshot["recent"])
        model._calls.restore(snapshot["calls"])
        model._rarity.restore(snapshot["rarity"])
        model._shares.restore(snapshot["shares"])
        model._judged, model.version = snapshot["judged"], snapshot["version"]
        model._is_restored = bool(model._fitted)
        return model


def _plain(row: TraceRow) -> list[object]:
    return [row.trace_id.hex(), row.time, row.duration, row.places.tolist()]


def _row(plain: tuple[str, int, int, list[int]]) -> TraceRow:
    trace_id, time, duration, places = plain
    return TraceRow(bytes.fromhex(trace_id), time, duration, array("q", places))
