"""How unevenly partitions are loaded when traces are of very different sizes and few calls are most calls: a simulation.

Run: `python -m tests.benchmarks.partition_load --help`. The same seed gives the same figures. Traces go to partitions by the
hash of their id, which is uniform; their sizes follow a Pareto distribution, and the spans of a trace arrive over a time that
grows with the root of its size. Calls of edges follow Zipf's law: each partition sends one record for each edge of a window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click
import numpy as np
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

GREATEST = 500_000
"""Spans of a trace: at `assemble.max_signals` of a partition the oldest trace is closed."""

SPREAD = 0.1
"""Seconds over which the spans of a trace arrive, times the root of their number: 0.35 for 12, 32 for 100,000."""

AT_ONCE = 1 << 20
"""Spans that are spread over seconds at a time, about: it bounds the memory."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What is simulated.

    Attributes:
        rate: spans a second.
        size: of a trace, on average.
        tail: the exponent of the sizes' tail, above 1; the smaller, the more spans are in few traces. Zero: all of one size.
        seconds: how long.
    """

    rate: float
    size: float = 12.0
    tail: float = 1.5
    seconds: int = 60


@dataclass(frozen=True, slots=True)
class Skew:
    """Loads as multiples of the mean.

    Attributes:
        second: the highest of any partition in any second.
        usual: what 99.9 % of partitions and seconds do not exceed.
        whole: the highest of a partition in all seconds together.
    """

    second: float
    usual: float
    whole: float


def sizes(chance: np.random.Generator, count: int, size: float, tail: float) -> NDArray[np.int64]:
    """Numbers of spans of so many traces, of that mean but for what the bound cuts off."""
    if not tail:
        return np.full(count, round(size), np.int64)
    least = size * (tail - 1) / tail
    drawn = least * (1 + chance.pareto(tail, count))
    return np.clip(np.rint(drawn), 1, GREATEST).astype(np.int64)


def span_load(traffic: Traffic, partitions: int, seed: int) -> NDArray[np.int64]:
    """Spans by second and partition, of the seconds after the first longest traces could have begun."""
    chance = np.random.default_rng(seed)
    load = np.zeros(traffic.seconds * partitions, np.int64)
    a_second = round(traffic.rate / traffic.size)
    for second in range(traffic.seconds):
        of_traces = sizes(chance, a_second, traffic.size, traffic.tail)
        place = chance.integers(0, partitions, a_second)
        ends = np.cumsum(of_traces)
        cuts = np.searchsorted(ends, np.arange(AT_ONCE, int(ends[-1]), AT_ONCE))
        for few in np.split(np.arange(a_second), cuts):
            of = np.repeat(few, of_traces[few])
            late = second + chance.random(len(of)) * (1 + SPREAD * np.sqrt(of_traces[of]))
            # What arrives after the end counts at the beginning, as if seconds went round: the load is steady.
            slot = late.astype(np.int64) % traffic.seconds
            load += np.bincount(slot * partitions + place[of], minlength=len(load))
    return load.reshape(traffic.seconds, partitions)


def edge_load(calls: float, edges: int, zipf: float, partitions: int, seed: int) -> tuple[NDArray[np.float64], float]:
    """Edge records a window by the partition that they go to, and the share of edges that a partition sees in a window.

    Calls are independent: those of an edge in one of n partitions are Poisson distributed with an n-th of its mean.
    """
    weights = np.arange(1, edges + 1, dtype=np.float64) ** -zipf
    seen = -partitions * np.expm1(-calls * weights / weights.sum() / partitions)
    place = np.random.default_rng(seed).integers(0, partitions, edges)
    load = np.bincount(place, weights=seen, minlength=partitions).astype(np.float64)
    return load, float(seen.sum() / (partitions * edges))


def skew(load: NDArray[np.int64]) -> Skew:
    """How far a load by second and partition is from even."""
    mean, whole = load.mean(), load.sum(axis=0)
    return Skew(float(load.max() / mean), float(np.quantile(load, 0.999) / mean), float(whole.max() / whole.mean()))


@click.command()
@click.option("--rate", default=10_000_000.0, show_default=True, help="Spans a second.")
@click.option("--seconds", default=60, show_default=True)
@click.option("--partitions", multiple=True, type=int, default=(64, 256, 512, 1024), show_default=True)
@click.option(
    "--tail", multiple=True, type=float, default=(0.0, 1.5, 1.2), show_default=True, help="0: all traces of one size."
)
@click.option("--edges", default=20_000, show_default=True, help="Pairs of services with their operations.")
@click.option("--zipf", default=1.0, show_default=True, help="How much more frequent the first edges are.")
@click.option("--window", default=5.0, show_default=True, help="Seconds of a window.")
@click.option("--seed", default=7, show_default=True)
def main(
    rate: float,
    seconds: int,
    partitions: tuple[int, ...],
    tail: tuple[float, ...],
    edges: int,
    zipf: float,
    window: float,
    seed: int,
) -> None:
    """Print the load of partitions as multiples of the mean."""
    spans = Table("partitions", "tail", "spans/s each", "highest second", "99.9 % of seconds", "whole time", title="spans")
    for count in partitions:
        for exponent in tail:
            found = skew(span_load(Traffic(rate, tail=exponent, seconds=seconds), count, seed))
            spans.add_row(
                f"{count}", f"{exponent or 'one size'}", f"{rate / count:,.0f}", f"{found.second:.2f}", f"{found.usual:.2f}",
                f"{found.whole:.2f}",
            )  # fmt: skip
    windows = Table("partitions", "records/s", "of all edges in each", "highest over mean", title="edge windows")
    for count in partitions:
        load, share = edge_load(rate * window * 7 / 12, edges, zipf, count, seed)
        windows.add_row(f"{count}", f"{load.sum() / window:,.0f}", f"{share:.2f}", f"{load.max() / load.mean():.2f}")
    for shown in (spans, windows):
        Console().print(shown)


if __name__ == "__main__":
    main()
