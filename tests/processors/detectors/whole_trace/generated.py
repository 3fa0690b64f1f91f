"""Traces of a shop as no file has them: eight services one after the other, of a chosen distribution of their times."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

from processors.call_graph.visits import Event, Visit
from processors.detectors.detector import WholeTrace

if TYPE_CHECKING:
    from collections.abc import Callable

    from processors.detectors.whole_trace.detector import WholeTraceDetector
    from telemetry.findings import Anomaly

SECOND, MILLISECOND = 1_000_000_000, 1_000_000
LATER = 10**30
SERVICES = 8

FACTORS: dict[str, Callable[[random.Random], float]] = {
    "normal": lambda rng: max(0.05, rng.gauss(1.0, 0.2)),
    "log-normal": lambda rng: math.exp(rng.gauss(0.0, 0.4)),
    "Student's t, 3, of logarithms": lambda rng: math.exp(
        0.2 * rng.gauss(0.0, 1.0) / math.sqrt(rng.gammavariate(1.5, 2.0) / 3)
    ),
    "Pareto, 1.5": lambda rng: rng.paretovariate(1.5),
    "two modes": lambda rng: math.exp(rng.gauss(0.0, 0.1) + (1.5 if rng.random() < 0.03 else 0.0)),
}
"""By what a service's usual time is multiplied, in each trace anew."""


def _student(rng: random.Random) -> float:
    return rng.gauss(0.0, 1.0) / math.sqrt(rng.gammavariate(1.5, 2.0) / 3)


def checkout(rng: random.Random, factors: str = "log-normal", *, start: int = 0, load: float = 1.0) -> list[Visit]:
    """A trace. All of its times share a load of its own, and that of its window; one in a hundred has an error in its cache."""
    load *= math.exp(rng.gauss(0.0, 0.2))
    times = [int(3.0 * (1 + n) * MILLISECOND * load * FACTORS[factors](rng)) for n in range(SERVICES)]
    gaps = [-1, *(int(rng.expovariate(1.0) * MILLISECOND) for _ in times[1:])]
    failing = frozenset({Event("error", "timeout")}) if rng.random() < 0.01 else frozenset()
    return [
        Visit(
            f"s{n}", f"op{n}", "", n - 1, start, sum(times[n:]), times[n], gaps[n], failing if n == 5 else frozenset(), (b"1",)
        )
        for n in range(SERVICES)
    ]


def slow(visits: list[Visit], rng: random.Random) -> list[Visit]:
    """The fourth service takes eight times as long."""
    del rng
    return [*visits[:3], visits[3]._replace(self_time=visits[3].self_time * 8), *visits[4:]]


def failing(visits: list[Visit], rng: random.Random) -> list[Visit]:
    """The fourth service fails."""
    del rng
    return [*visits[:3], visits[3]._replace(events=frozenset({Event("error", "refused")})), *visits[4:]]


def cut_short(visits: list[Visit], rng: random.Random) -> list[Visit]:
    """The last service is not called."""
    del rng
    return visits[:-1]


def fed(
    detector: WholeTraceDetector,
    windows: range,
    seed: int = 1,
    factors: str = "log-normal",
    change: Callable[[list[Visit], random.Random], list[Visit]] = lambda visits, _: visits,
) -> list[Anomaly]:
    """Thirty traces in each window of ten seconds; the same window of a seed has the same traces each time."""
    found = []
    for window in windows:
        rng = random.Random(f"{seed} {window}")
        load = math.exp(rng.gauss(0.0, 0.1))
        starts = [window * 10 * SECOND + int(rng.random() * 9.9 * SECOND) for _ in range(30)]
        traces = [change(checkout(rng, factors, start=start, load=load), rng) for start in starts]
        found += detector.consume([WholeTrace(rng.randbytes(16), visits) for visits in traces], LATER)
        found += detector.advance((window + 1) * 10 * SECOND)
    return found
