"""Cumulative latency histograms and counters by label, as Prometheus reads them, with a bound on how many there are."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from telemetry.metrics import Buckets, DataPoint, Exemplar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from telemetry.resource import AttributeValue

Labels = tuple[tuple[str, str], ...]

OVERFLOW: Labels = (("otel.metric.overflow", "true"),)
"""Where series beyond the limit are counted together, as OpenTelemetry's cardinality limit has it."""


class Counters:
    """Sums by label since `start`."""

    def __init__(self, start: int, max_series: int) -> None:
        self._start = start
        self._max_series = max_series
        self._values: dict[Labels, int] = {}

    def add(self, labels: Labels, number: int = 1) -> None:
        """Count."""
        values = self._values
        if labels not in values and len(values) >= self._max_series:
            labels = OVERFLOW
        values[labels] = values.get(labels, 0) + number

    def points(self, time: int) -> tuple[DataPoint, ...]:
        """The sums at a time, sorted by label."""
        return tuple(
            DataPoint(time, self._start, _attributes(labels), value=value) for labels, value in sorted(self._values.items())
        )


class Histograms:
    """Explicit-bound histograms by label since `start`; each bucket remembers the last span that it counted."""

    def __init__(self, start: int, max_series: int, bounds: tuple[float, ...]) -> None:
        self._start = start
        self._max_series = max_series
        self._bounds = bounds
        self._counts: dict[Labels, list[int]] = {}
        self._totals: dict[Labels, float] = {}
        self._exemplars: dict[Labels, dict[int, tuple[int, float, bytes, bytes]]] = {}

    def __contains__(self, labels: Labels) -> bool:
        """Whether there is a histogram with these labels."""
        return labels in self._counts

    def __len__(self) -> int:
        """How many histograms there are."""
        return len(self._counts)

    def record(self, labels: Labels, value: float, time: int = 0, trace_id: bytes = b"", span_id: bytes = b"") -> None:
        """Count a value in its bucket; a bound belongs to the bucket that it closes. `time` is when its span ended."""
        counts = self._counts.get(labels)
        if counts is None:
            if len(self._counts) >= self._max_series:
                labels = OVERFLOW
            counts = self._counts.setdefault(labels, [0] * (len(self._bounds) + 1))
        bucket = bisect_left(self._bounds, value)
        counts[bucket] += 1
        self._totals[labels] = self._totals.get(labels, 0.0) + value
        if trace_id:
            self._exemplars.setdefault(labels, {})[bucket] = time, value, trace_id, span_id

    def numbers(self, time: int) -> tuple[DataPoint, ...]:
        """How many values each histogram has at a time, as sums, sorted by label."""
        return tuple(
            DataPoint(time, self._start, _attributes(labels), value=sum(counts))
            for labels, counts in sorted(self._counts.items())
        )

    def points(self, time: int) -> tuple[DataPoint, ...]:
        """The histograms at a time, sorted by label."""
        return tuple(
            DataPoint(
                time,
                self._start,
                _attributes(labels),
                count=sum(counts),
                total=self._totals[labels],
                buckets=Buckets(self._bounds, tuple(counts)),
                exemplars=tuple(
                    Exemplar(*self._exemplars[labels][bucket]) for bucket in sorted(self._exemplars.get(labels, ()))
                ),
            )
            for labels, counts in sorted(self._counts.items())
        )


def _attributes(labels: Labels) -> Mapping[str, AttributeValue]:
    return dict(labels)
