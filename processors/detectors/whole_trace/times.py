"""How unlike a trace's times are what is usual of its root operation: a robust Gaussian of their logarithms.

The covariance is scikit-learn's minimum covariance determinant (Rousseeuw & Van Driessen, "A Fast Algorithm for the Minimum
Covariance Determinant Estimator", Technometrics 1999), which `EllipticEnvelope` stands on: the incidents that traces of the
past hold do not widen it. docs/analysis.md has the figures by which it was chosen.
"""

from __future__ import annotations

import warnings
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from processors.detectors.whole_trace.rows import Place, TraceRow

MOST_PLACES = 20
"""Places with columns of their own: those in which most time passes. The covariance costs the square of the columns."""

TRACES_A_PLACE = 9
"""Traces to fit by for each place with columns of its own, at least: three for each of its columns."""

LEAST_SHARE = 0.5
"""Share of the traces in which a time is known from which it has a column: of others the model would know too little."""

LEAST_SPREAD = 0.1
"""Of a logarithm: times that differ by less than a tenth are alike, however steady they were so far."""

FLOOR = 0.1
"""Added to each variance (in units of the spread), so that no combination of columns is taken for impossible."""

FARTHEST = 50.0
"""Spreads at which a time is cut off: one wild column shall not be all that counts."""

SEED = 1

SELF_TIME, GAP, VISITS, DURATION = "self time", "gap", "visits", "duration"


class Column(NamedTuple):
    """One number of a trace: which quantity, of which place; `("", "")` for the whole trace."""

    place: Place
    quantity: str


class TimeModel(NamedTuple):
    """What is usual of the traces of one root operation. Plain arrays: `columns` of them each, in the same order.

    `middle` and `spread` are of logarithms (of microseconds, of visits), `centre` in spreads from the middle.
    """

    columns: tuple[Column, ...]
    numbers: NDArray[np.int64]
    middle: NDArray[np.float64]
    spread: NDArray[np.float64]
    centre: NDArray[np.float64]
    precision: NDArray[np.float64]

    def deviations(self, rows: Sequence[TraceRow]) -> NDArray[np.float64]:
        """A row a trace: spreads from the centre; 0 for what it does not have, since a missing call is judged elsewhere."""
        logs = logarithms(self.columns, self.numbers, rows)
        scaled = (logs - self.middle) / self.spread - self.centre
        return np.where(np.isnan(logs), 0.0, np.clip(scaled, -FARTHEST, FARTHEST))

    def shares(self, deviations: NDArray[np.float64]) -> NDArray[np.float64]:
        """What each column has in the squared distance of each trace; a row's sum is that distance."""
        return deviations * (deviations @ self.precision)


def logarithms(columns: Sequence[Column], numbers: NDArray[np.int64], rows: Sequence[TraceRow]) -> NDArray[np.float64]:
    """The columns of traces, NaN where a trace has none: three a place, in the order of `numbers`, then the duration."""
    found = np.full((len(rows), len(columns)), np.nan)
    if not rows:
        return found
    tables = [row.table() for row in rows]
    table = np.concatenate(tables)
    of = np.repeat(np.arange(len(rows)), [len(one) for one in tables])
    column = np.full(int(max(table[:, 0].max(), numbers.max(initial=0))) + 1, -1)
    column[numbers] = np.arange(len(numbers))
    column = column[table[:, 0]]
    known = column >= 0
    of, column, table = of[known], column[known] * 3, table[known]
    found[of, column] = np.log1p(table[:, 1] / 1000.0)
    found[of, column + 1] = np.where(table[:, 2] < 0, np.nan, np.log1p(np.maximum(table[:, 2], 0) / 1000.0))
    found[of, column + 2] = np.log(table[:, 3])
    found[:, -1] = [row.duration for row in rows]
    found[:, -1] = np.log1p(found[:, -1] / 1000.0)
    return found


def fit_times(names: Sequence[Place], rows: Sequence[TraceRow]) -> TimeModel:
    """Learn what is usual of traces of one root operation. The same rows give the same model. Takes up to a second."""
    numbers = _places(names, rows)
    every = tuple(Column(names[number], name) for number in numbers for name in (SELF_TIME, GAP, VISITS))
    columns = (*every, Column(("", ""), DURATION))
    numbered = np.array(numbers, dtype=np.int64)
    logs = logarithms(columns, numbered, rows)
    known = np.isfinite(logs).mean(axis=0) >= LEAST_SHARE
    middle = _medians(logs)
    spread = 1.4826 * _medians(np.abs(logs - middle))
    steady = np.array([column.quantity == VISITS for column in columns]) & (np.nan_to_num(spread) == 0.0)
    used = np.flatnonzero(known & ~steady)  # how often a place is visited that always is as often is judged by counting
    spread = np.maximum(np.nan_to_num(spread, nan=1.0), LEAST_SPREAD)
    scaled = np.nan_to_num((logs - np.nan_to_num(middle)) / spread)[:, used].clip(-FARTHEST, FARTHEST)
    location, covariance = _gaussian(scaled)
    precision = np.zeros((len(columns), len(columns)))
    precision[np.ix_(used, used)] = np.linalg.inv(covariance + FLOOR * np.eye(len(used)))
    centre = np.zeros(len(columns))
    centre[used] = location
    return TimeModel(columns, numbered, np.nan_to_num(middle), spread, centre, precision)


def _medians(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The median of each column's known values, NaN where a column has none."""
    found = np.full(values.shape[1], np.nan)
    any_known = ~np.isnan(values).all(axis=0)
    found[any_known] = np.nanmedian(values[:, any_known], axis=0)
    return found


def _gaussian(scaled: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Location and covariance of the bulk of the rows."""
    from sklearn.covariance import MinCovDet  # noqa: PLC0415 - a second, and only where models are fitted

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of columns that hang together, which the floor keeps apart
            fitted = MinCovDet(support_fraction=0.9, random_state=SEED).fit(scaled)
    except ValueError:  # the bulk of the rows are alike to the last digit: their median, which the scale begins at
        return np.zeros(scaled.shape[1]), np.zeros((scaled.shape[1], scaled.shape[1]))
    return fitted.location_, fitted.covariance_


def _places(names: Sequence[Place], rows: Sequence[TraceRow]) -> list[int]:
    """The numbers of the places in which most time passes of those that most traces visit, by name."""
    visited: Counter[int] = Counter()
    spent: Counter[int] = Counter()
    for row in rows:
        table = row.table()
        visited.update(table[:, 0].tolist())
        for number, time in zip(table[:, 0].tolist(), table[:, 1].tolist(), strict=True):
            spent[number] += time
    common = [number for number, count in visited.items() if count >= LEAST_SHARE * len(rows) and number]
    common.sort(key=lambda number: (-spent[number], names[number]))
    return sorted(common[: max(1, min(MOST_PLACES, len(rows) // TRACES_A_PLACE))], key=lambda number: names[number])
