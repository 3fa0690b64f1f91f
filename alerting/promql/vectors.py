"""What PromQL expressions are made of: labels, instant vectors, windows of samples, and the stale marker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from telemetry.errors import SpanloomError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from alerting.promql.matchers import Matcher
    from alerting.promql.rolled import RolledRange

NAME = "__name__"
"""The label that holds a series' metric name."""

Labels = tuple[tuple[str, str], ...]
"""Pairs sorted by label name; an empty value is never kept, as it means that the label is missing."""

Vector = list[tuple[Labels, float]]
"""An instant vector: at most one value for a set of labels."""


class EvaluationError(SpanloomError):
    """An expression that is well formed but has no answer on these samples."""


def labels_of(pairs: dict[str, str]) -> Labels:
    """Sorted labels without empty ones."""
    return tuple(sorted((name, value) for name, value in pairs.items() if value))


def without(labels: Labels, names: Collection[str]) -> Labels:
    """Labels but those named."""
    return tuple(pair for pair in labels if pair[0] not in names)


def only(labels: Labels, names: Collection[str]) -> Labels:
    """Labels named, and no other."""
    return tuple(pair for pair in labels if pair[0] in names)


_NAME_ONLY = frozenset((NAME,))


def nameless(labels: Labels) -> Labels:
    """Labels without the metric name."""
    return without(labels, _NAME_ONLY)


class VectorColumn(Protocol):
    """The samples of one series: two sequences of one length, times ascending in nanoseconds."""

    @property
    def labels(self) -> Labels:
        """All labels, the metric name among them."""
        ...

    @property
    def bare(self) -> Labels:
        """Labels without the metric name."""
        ...

    @property
    def times(self) -> Sequence[int]:
        """When."""
        ...

    @property
    def values(self) -> Sequence[float]:
        """What; `STALE` where the series ended."""
        ...

    @property
    def ended(self) -> bool:
        """Whether `values` may hold stale markers."""
        ...


class Source(Protocol):
    """Where selectors find their series."""

    def select(self, matchers: tuple[Matcher, ...]) -> Sequence[VectorColumn]:
        """The series that pass all matchers, in an order that does not change between calls."""
        ...


class Window(NamedTuple):
    """The samples of one series in a range; never empty, no stale markers. Made for each series of each evaluation."""

    labels: Labels
    bare: Labels
    times: Sequence[int]
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class PastColumns:
    """Samples of each series, one each `resolution` ns before those in memory; 0 where they are the samples themselves."""

    columns: Sequence[VectorColumn]
    resolution: int


class Past(Protocol):
    """What is known of older samples than those in memory."""

    def columns(self, reach: Reach) -> PastColumns | None:
        """For a selector; None where memory has all that it reads.

        Raises:
            EvaluationError: it could not be read.
        """
        ...

    def rolled(self, reach: Reach, start: int, end: int) -> RolledRange | None:
        """For a selector of a range; None where `columns` has the samples.

        Raises:
            EvaluationError: it could not be read.
        """
        ...

    def note(self, reach: Reach) -> str:
        """How a selector is answered where it is not from the samples themselves; empty where it is."""
        ...


def _for_ever() -> None:
    """Rules are their owner's: they are not interrupted."""


@dataclass(frozen=True, slots=True)
class Instant:
    """Where and when an expression is evaluated: at a time, of a query from `start` to `end`, ns.

    `go_on` is called before each selection and each step of a subquery, and raises where the query has had its time.
    `past` has what is older than the source.
    """

    source: Source
    at: int
    start: int
    end: int
    lookback: int
    go_on: Callable[[], None] = _for_ever
    past: Past | None = None


TimeShift = Callable[[Instant], int]
"""The time at which a selector looks, from the instant of evaluation."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What a selector reads, and when: equal where two always read the same.

    Args:
        matchers: of its series.
        width: of its range, ns; 0 for an instant selector.
        behind: how far back subqueries around it begin to evaluate it, ns.
        written: its `@` and `offset`.
        shift: the same, as a function.
    """

    matchers: tuple[Matcher, ...]
    width: int
    behind: int
    written: str
    shift: TimeShift = field(compare=False)

    def of(self, source: Source, start: int, end: int, lookback: int) -> tuple[int, int]:
        """The time that it reads in a query from `start` to `end`: the beginning is excluded, ns."""
        times = [self.shift(Instant(source, at, start, end, lookback)) for at in (start - self.behind, end)]
        return min(times) - (self.width or lookback), max(times)
