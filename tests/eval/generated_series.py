"""The detector on generated series with anomalies: `python -m tests.eval.generated_series [SERIES [FIRST_SEED]]`.

Of each kind of series so many, of other seeds than those that anything was developed on. Prints what was found by kind of
series and by kind of anomaly, and what it cost. No series is data of anybody: parameters are drawn for each.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from processors.detectors.series import SeriesDetector
from telemetry.metrics import Point, Series
from tests.eval.generated.score import Outcome, outcome
from tests.eval.generated.series import Labelled, generate
from tests.eval.generated.usual import USUAL
from tests.eval.shared import print_table

if TYPE_CHECKING:
    from collections.abc import Iterable

THRESHOLD = 0.5
UNSEEN = 1000
"""The first seed of series that nothing was developed on: those below it are for development."""


def scores(series: Labelled) -> list[float]:
    """Anomaly scores of a series, read value by value."""
    scorer, name = SeriesDetector(), Series("value")
    pairs = zip(series.times.tolist(), series.values.tolist(), strict=True)
    return [scorer.score(Point(name, int(at) * 1_000_000_000, value)).score for at, value in pairs]


def measure(kinds: Iterable[str], seeds: range, threshold: float = THRESHOLD) -> dict[str, Outcome]:
    """What is found in the series of each kind."""
    found = {kind: Outcome() for kind in kinds}
    for kind in found:
        for seed in seeds:
            series = generate(kind, seed)
            found[kind] += outcome(series, scores(series), threshold)
    return found


def by_kind(found: dict[str, Outcome]) -> list[tuple[str, ...]]:
    """One row a kind of series, and one for all."""
    rows: list[tuple[str, ...]] = [("series", "score", "windows found", "false", "false in 1000 values")]
    for kind, of in [*found.items(), ("all", sum(found.values(), Outcome()))]:
        rows.append(
            (kind, f"{of.score:.1f}", f"{of.hits} of {of.windows}", str(of.false), f"{1000 * of.false / of.values:.2f}")
        )
    return rows


def by_anomaly(found: dict[str, Outcome]) -> list[tuple[str, ...]]:
    """One row a kind of anomaly, over all series."""
    windows = sum(found.values(), Outcome()).found
    return [("anomaly", "windows found"), *((name, f"{sum(of)} of {len(of)}") for name, of in sorted(windows.items()))]


def main(series: int = 20, first: int = UNSEEN) -> int:
    """Print both tables."""
    begun = time.process_time()
    found = measure(USUAL, range(first, first + series))
    print_table(f"Generated series, {series} of each kind: scores as in NAB, threshold {THRESHOLD}", by_kind(found))
    print_table(f"Generated series: {time.process_time() - begun:.0f} CPU-seconds", by_anomaly(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:3])))
