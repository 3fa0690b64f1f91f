"""Whether scores mean what they say: `python -m tests.eval.calibration` scores series in which nothing ever happens.

A score claims to be reached once in so many values. The table has how often it was reached for each time that it claims:
1 is right, less is cautious, more is a false alarm. All series are new ones of two weeks, a value every five minutes. Whole
traces are those of a generated shop, thirty in ten seconds, for two hours.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable, Iterator

from processors.detectors.streaming import HALF, StreamingDetector
from processors.detectors.whole_trace.root_model import RootModel
from tests.processors.detectors.whole_trace.generated import FACTORS, checkout

LEVELS = (0.5, 0.6, 0.7, 0.8)
VALUES = 4000
INTERVAL = 300 * 10**9
DAY_VALUES = 288
SECOND = 10**9

Source = Callable[[random.Random], Iterator[float]]


def normal(rng: random.Random) -> Iterator[float]:
    while True:
        yield rng.gauss(100.0, 5.0)


def log_normal(rng: random.Random) -> Iterator[float]:
    while True:
        yield rng.lognormvariate(0.0, 0.5)


def student(rng: random.Random) -> Iterator[float]:
    """Three degrees of freedom: as heavy a tail as has a variance."""
    while True:
        yield 100.0 + rng.gauss(0.0, 5.0) / math.sqrt(rng.gammavariate(1.5, 2.0) / 3.0)


def pareto(rng: random.Random) -> Iterator[float]:
    """No variance at all."""
    while True:
        yield rng.paretovariate(1.5)


def autoregressive(rng: random.Random) -> Iterator[float]:
    value = 0.0
    while True:
        value = 0.9 * value + rng.gauss(0.0, 1.0)
        yield 100.0 + value


def daily(rng: random.Random) -> Iterator[float]:
    number = 0
    while True:
        number += 1
        yield 100.0 + 50.0 * math.sin(2 * math.pi * number / DAY_VALUES) + rng.gauss(0.0, 5.0)


def poisson(rng: random.Random) -> Iterator[float]:
    """Five expected, more by day than by night."""
    number = 0
    while True:
        number += 1
        limit, product, count = math.exp(-5.0 - 3.0 * math.sin(2 * math.pi * number / DAY_VALUES)), rng.random(), 0
        while product > limit:
            product *= rng.random()
            count += 1
        yield float(count)


COUNTS = "counts, daily"
SOURCES: dict[str, Source] = {
    "normal": normal,
    "log-normal": log_normal,
    "autoregressive, 0.9": autoregressive,
    "daily and noise": daily,
    COUNTS: poisson,
    "Student's t, 3": student,
    "Pareto, 1.5": pareto,
}


def surprises(source: Source, seeds: range, *, counts: bool) -> list[float]:
    """The surprise of every value of one series a seed."""
    found = []
    for seed in seeds:
        values, detector = source(random.Random(seed)), StreamingDetector()
        found += [detector.update(n * INTERVAL, next(values), one=float(counts)).surprise for n in range(VALUES)]
    return found


def trace_surprises(factors: str, seeds: range, windows: int = 720) -> list[float]:
    """The surprise of every whole trace of one root operation a seed, where nothing ever happens."""
    found = []
    for seed in seeds:
        rng, model = random.Random(seed), RootModel()
        for window in range(windows):
            rows = [model.places.row(rng.randbytes(16), checkout(rng, factors)) for _ in range(30)]
            judged, _ = model.judge(window * 10 * SECOND, rows)
            found += [trace.surprise for trace in judged]
            work = model.wanted()
            if work is not None:
                model.take(work())
    return found


def reached(found: list[float]) -> list[tuple[int, float]]:
    """For each level, how often it was reached and how often it claims to be."""
    levels = [HALF * -math.log2(1.0 - level) for level in LEVELS]
    return [(sum(surprise >= level for surprise in found), len(found) * math.exp(-level)) for level in levels]


def main(series: int = 300, roots: int = 10) -> int:
    """Print two tables: a row a kind of series and of whole traces, a column a score."""
    print("| series | values |", " | ".join(f"score {level}" for level in LEVELS), "|")  # noqa: T201 - its output
    for name, source in SOURCES.items():
        found = surprises(source, range(series), counts=name == COUNTS)
        columns = (f"{times / claimed:.2f} ({times})" for times, claimed in reached(found))
        print(f"| {name} | {len(found)} |", " | ".join(columns), "|", flush=True)  # noqa: T201 - its output
    print("| whole traces | traces |", " | ".join(f"score {level}" for level in LEVELS), "|")  # noqa: T201 - its output
    for factors in FACTORS:
        found = trace_surprises(factors, range(roots))
        columns = (f"{times / claimed:.2f} ({times})" for times, claimed in reached(found))
        print(f"| {factors} | {len(found)} |", " | ".join(columns), "|", flush=True)  # noqa: T201 - its output
    return 0


if __name__ == "__main__":
    sys.exit(main())
