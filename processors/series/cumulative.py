"""Cumulative latency histograms and counters by label, as Prometheus reads them, with a bound on how many there are."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from telemetry.metrics import Buckets, DataPoint, Exemplar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from telemetry.resource import AttributeValue

Labels = tuple[tuple[str, str], ...]

Shown = tuple[int, float, bytes, bytes]
"""A span that a bucket counted: its end, the value, and its ids."""

OVERFLOW: Labels = (("otel.metric.overflow", "true"),)
"""Where series beyond the limit are counted together, as OpenTelemetry's cardinality limit has it."""


MAX_LABELS = 2048
"""Characters of the values of a series' labels; longer ones are counted in the overflow, for a name may be a megabyte."""


def is_short(labels: Labels) -> bool:
    """Whether a series may be kept under these labels."""
    return sum(len(value) for _, value in labels) <= MAX_LABELS


class SeriesBudget:
    """How many samples all series together may have, whoever counts in them.

    Attributes:
        overflow: values that were counted in an overflow series.
    """

    def __init__(self, samples: int = 1 << 30) -> None:
        self._left = samples
        self.overflow = 0

    def has(self, samples: int) -> bool:
        """Whether a series of so many samples may begin."""
        return samples <= self._left

    def reserve(self, samples: int) -> bool:
        """Whether a series of so many samples may begin; it counts from then on."""
        if not self.has(samples):
            return False
        self._left -= samples
        return True

    def give_back(self, samples: int) -> None:
        """Free the samples of what is evicted."""
        self._left += samples


class Counters:
    """Sums by label since `start`.

    Attributes:
        samples: that count in the budget.
    """

    def __init__(self, start: int, max_series: int, budget: SeriesBudget | None = None) -> None:
        self._start = start
        self._max_series = max_series
        self._budget = budget or SeriesBudget()
        self.samples = 0
        self._values: dict[Labels, int] = {}

    def add(self, labels: Labels, number: int = 1) -> None:
        """Count."""
        values = self._values
        if labels not in values and labels != OVERFLOW and not self.admit(labels):
            labels = OVERFLOW
        values[labels] = values.get(labels, 0) + number

    def admit(self, labels: Labels) -> bool:
        """Begin a series, if there may be one more; otherwise what counts in it is counted as beyond the bounds."""
        values = self._values
        if len(values) < self._max_series and is_short(labels) and self._budget.reserve(1):
            self.samples += 1
            values[labels] = 0
            return True
        self._budget.overflow += 1
        return False

    def load(self, values: dict[Labels, int]) -> None:
        """Take the sums of who counts in place of this, which asked `admit` about each series."""
        self._values = values

    def points(self, time: int) -> tuple[DataPoint, ...]:
        """The sums at a time, sorted by label."""
        return tuple(
            DataPoint(time, self._start, _attributes(labels), value=value) for labels, value in sorted(self._values.items())
        )


class Histograms:
    """Explicit-bound histograms by label since `start`; each bucket remembers the last span that it counted.

    Attributes:
        samples: that count in the budget.
    """

    def __init__(self, start: int, max_series: int, bounds: tuple[float, ...], budget: SeriesBudget | None = None) -> None:
        self._start = start
        self._max_series = max_series
        self._budget = budget or SeriesBudget()
        self.samples = 0
        self._bounds = bounds
        self._counts: dict[Labels, list[int]] = {}
        self._totals: dict[Labels, float] = {}
        self._exemplars: dict[Labels, dict[int, Shown]] = {}

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
            if labels != OVERFLOW and not self.admit(labels):
                labels = OVERFLOW
            counts = self._counts.setdefault(labels, [0] * (len(self._bounds) + 1))
        bucket = bisect_left(self._bounds, value)
        counts[bucket] += 1
        self._totals[labels] = self._totals.get(labels, 0.0) + value
        if trace_id:
            self._exemplars.setdefault(labels, {})[bucket] = time, value, trace_id, span_id

    def admit(self, labels: Labels) -> bool:
        """Begin a histogram, if there may be one more; otherwise what counts in it is counted as beyond the bounds."""
        is_new_allowed = len(self._counts) < self._max_series and is_short(labels)
        if is_new_allowed and self._budget.reserve(samples_of(self._bounds)):
            self.samples += samples_of(self._bounds)
            self._counts[labels] = [0] * (len(self._bounds) + 1)
            return True
        self._budget.overflow += 1
        return False

    def load(self, series: Iterable[tuple[Labels, Sequence[int], float, Mapping[int, Shown]]]) -> None:
        """Take the histograms of who counts in place of this, which asked `admit` about each.

        Of each its labels, the counts of its buckets, their sum, and the last span of each bucket: end, value and ids.
        """
        for labels, counts, total, shown in series:
            self._counts[labels], self._totals[labels] = list(counts), total
            self._exemplars[labels] = dict(shown)

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


def samples_of(bounds: tuple[float, ...]) -> int:
    """Samples of a histogram with these bounds: its buckets, their sum and their number."""
    return len(bounds) + 3


def _attributes(labels: Labels) -> Mapping[str, AttributeValue]:
    return dict(labels)
