"""What the judgement of one trace says: how rare it is, and the parts of it that make it so, in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from processors.detectors.streaming import score_of
from processors.detectors.whole_trace.times import DURATION, GAP, SELF_TIME, VISITS
from processors.series.quantities import digits, quantities
from telemetry.sentences.wording import Wording

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from processors.detectors.whole_trace.calls import OddCall
    from processors.detectors.whole_trace.rows import Place, TraceRow
    from processors.detectors.whole_trace.times import TimeModel

MOST_PARTS = 3
"""Parts that a trace names: the strongest."""

LEAST_SHARE = 0.1
"""Share of the squared distance from which a time is a part of what makes a trace odd."""

ODD = math.log(20.0)
"""Surprise from which a trace counts as odd: one usual trace in twenty at most."""


class Part(NamedTuple):
    """`quantity` is "self time", "gap", "visits", "duration", or "missing", "new", "repeated", "failed" of a call.

    `seen` and `usual` are seconds of a time, numbers of visits or failures else; `share` of what makes the trace odd.
    """

    service: str
    operation: str
    quantity: str
    seen: float
    usual: float
    share: float
    why: str


class JudgedTrace(NamedTuple):
    """`surprise` in nats: a usual trace is as odd once in *e* to that power. `distance` from the model, squared."""

    row: TraceRow
    surprise: float
    distance: float
    oddest: float
    parts: tuple[Part, ...]

    @property
    def score(self) -> float:
        """0..1, on the scale of all detectors."""
        return score_of(self.surprise)

    @property
    def is_odd(self) -> bool:
        """Whether one usual trace in twenty at most is as odd."""
        return self.surprise >= ODD


def parts_of(
    names: Sequence[Place],
    model: TimeModel,
    shares: NDArray[np.float64],
    deviations: NDArray[np.float64],
    odd_calls: Sequence[OddCall],
) -> tuple[Part, ...]:
    """The strongest parts of one trace.

    Args:
        names: of places, by number.
        model: the model of its times.
        shares: of its columns in its squared distance; none where its times are usual.
        deviations: of its columns, in spreads.
        odd_calls: what is odd about its calls, strongest first; none where they are usual.
    """
    found = [*_slow(model, shares, deviations), *(_called(names, odd) for odd in odd_calls[:MOST_PARTS])]
    found.sort(key=lambda part: -part.share)
    return tuple(found[:MOST_PARTS])


def _slow(model: TimeModel, shares: NDArray[np.float64], deviations: NDArray[np.float64]) -> Iterator[Part]:
    total = float(shares.sum())
    if not total:
        return
    usual = model.middle + model.centre * model.spread
    seen = usual + deviations * model.spread
    of_places = np.where([column.quantity == DURATION for column in model.columns], 0.0, shares)
    best = np.argsort(-of_places if of_places.max() >= LEAST_SHARE * total else -shares, kind="stable")
    for index in best[:MOST_PARTS].tolist():
        share = float(shares[index]) / total
        if share >= LEAST_SHARE:
            column = model.columns[index]
            visits = column.quantity == VISITS
            at, before = (math.exp(log) if visits else math.expm1(log) / 1e6 for log in (seen[index], usual[index]))
            numbers = {"seen": _number(at, visits=visits), "usual": _number(before, visits=visits)}
            (service, operation), why = column.place, _WORDS[column.quantity](place=" ".join(column.place).strip(), **numbers)
            yield Part(service, operation, column.quantity, at, before, min(share, 1.0), why)


_WORDS = {
    SELF_TIME: Wording.PART_SELF_TIME,
    GAP: Wording.PART_GAP,
    VISITS: Wording.PART_VISITS,
    DURATION: Wording.PART_DURATION,
}


def _number(value: float, *, visits: bool) -> str:
    return digits(value) if visits else quantities("s", max(value, 0.0))[0]


def _called(names: Sequence[Place], odd: OddCall) -> Part:
    service, operation = names[odd.number]
    place = f"{service} {operation}".strip() or Wording.OTHER_OPERATIONS()
    like, of = round(odd.like), round(odd.of)
    match odd.kind:
        case "missing":
            words = Wording.PART_MISSING(place=place, visits=of - like, total=of)
        case "new":
            words = Wording.PART_NEW(place=place, visits=like, total=of)
        case "repeated":
            words = Wording.PART_REPEATED(place=place, times=odd.seen, most=odd.most, total=of)
        case _:
            words = Wording.PART_FAILED(place=place, visits=like, total=of)
    usual = {"missing": 1.0, "repeated": float(odd.most)}.get(odd.kind, 0.0)
    return Part(service, operation, odd.kind, float(odd.seen), usual, 1.0, words)
