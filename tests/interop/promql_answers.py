"""The samples on which our answers are compared with Prometheus', and what its answers were when they were recorded."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import TYPE_CHECKING

from alerting.promql.expression import PromqlError, compile_expression
from alerting.promql.vectors import EvaluationError
from alerting.rules.samples import Limits, Samples
from components.durations import HOUR
from telemetry.metrics import Point, Series
from tests.interop.promql_cases import START, TIMES

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDED = Path(__file__).with_name("promql_answers.json")
"""`python -m tests.interop.test_prometheus` writes it, where there is a Prometheus; test_prometheus.py compares it."""
RECORDED_TIMES = [TIMES[1], TIMES[3]]

MINUTES = 60


def points() -> list[Point]:  # noqa: C901  # one generator a kind of series
    """An hour of counters with resets, gauges with gaps, NaN and infinities, histograms; on time and with jitter."""
    chance = random.Random(7)
    found: list[Point] = []

    def series(name: str, values: Iterator[float], *, jitter: bool, gaps: bool, **labels: str) -> None:
        own = Series(name, tuple(sorted(labels.items())))
        for step in range(0, MINUTES * 60, 15):
            value = next(values)
            milliseconds = (START + step) * 1000 + (chance.randrange(15_000) if jitter else 0)
            if not gaps or chance.random() < 0.8:
                found.append(Point(own, milliseconds * 1_000_000, value))

    def counter(rate: float, resets: float) -> Iterator[float]:
        value = 0.0
        while True:
            value = 0.0 if chance.random() < resets else value + chance.randrange(int(rate * 10)) / 10
            yield value

    def gauge(scale: float, odd: float = 0) -> Iterator[float]:
        value = 0.0
        while True:
            value += chance.gauss(0, scale)
            yield chance.choice((math.nan, math.inf, -math.inf, 0.0, -0.5)) if chance.random() < odd else value

    for i, service in enumerate(("cart", "pay", "ship", "käse\n\"'")):
        for status in ("200", "500"):
            series("requests", counter(5 + i, 0.02), jitter=i % 2 == 1, gaps=i == 2, service=service, status=status)
        series("memory", gauge(10.0**i), jitter=i == 0, gaps=i > 1, service=service)
        series("odd", gauge(1, 0.1), jitter=False, gaps=False, service=service)
        series("steady", iter(lambda: 3.5, None), jitter=False, gaps=False, service=service, zone="ab"[i % 2])
        bounds = [0.1, 0.25, 0.5, 1.0, math.inf]
        total = [0] * len(bounds)

        def bucket(at: int, total: list[int] = total) -> Iterator[float]:
            while True:
                total[at] += chance.randrange(3)
                yield float(sum(total[: at + 1]))

        for at, bound in enumerate(bounds):
            le = "+Inf" if bound == math.inf else str(bound)
            series("latency_bucket", bucket(at), jitter=False, gaps=False, service=service, le=le)
    series("info", iter(lambda: 1.0, None), jitter=False, gaps=False, service="cart", version="1.2", team="a")
    series("info", iter(lambda: 1.0, None), jitter=False, gaps=False, service="pay", version="1.3", team="b")
    series("epoch", iter(range(0, 10**12, 700_000_007)), jitter=False, gaps=False, service="cart")
    return found


def openmetrics(samples: list[Point]) -> str:
    """The exposition that promtool reads."""
    lines = []
    for name in sorted({point.series.name for point in samples}):
        lines.append(f"# TYPE {name} unknown")
        for point in samples:
            if point.series.name == name:
                labels = ",".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in point.series.labels)
                value = {math.inf: "+Inf", -math.inf: "-Inf"}.get(point.value, repr(float(point.value)))
                value = "NaN" if math.isnan(point.value) else value
                lines.append(f"{name}{{{labels}}} {value} {point.time // 1_000_000 / 1000:.3f}")
    return "\n".join([*lines, "# EOF", ""])


def hour() -> Samples:
    """The points, as queries read them."""
    samples = Samples(Limits(retention=2 * HOUR))
    samples.add(points())
    return samples


Answer = dict[frozenset[tuple[str, str]], float] | None


def ours(samples: Samples, text: str, at: float) -> tuple[Answer, list[float]]:
    try:
        vector = compile_expression(text).evaluate(samples, round(at * 1000) * 1_000_000)
    except (EvaluationError, PromqlError):
        return None, []
    return {frozenset(labels): value for labels, value in vector}, [value for _, value in vector]


def same(a: float, b: float) -> bool:
    return (math.isnan(a) and math.isnan(b)) or a == b or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)


def agree(a: Answer, b: Answer) -> bool:
    if a is None or b is None:
        return a is b
    return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)


def recorded() -> dict[str, list[Answer]]:
    """What Prometheus answered to each expression at RECORDED_TIMES; None where it refused."""

    def read(answer: list[tuple[list[list[str]], str]] | None) -> Answer:
        return None if answer is None else {frozenset((k, v) for k, v in pairs): float(value) for pairs, value in answer}

    return {text: [read(answer) for answer in answers] for text, answers in json.loads(RECORDED.read_text("utf-8")).items()}


def record(live: dict[str, list[Answer]]) -> None:
    """Write them, a line an expression; twelve digits are more than `same` compares."""

    def written(answer: Answer) -> list[tuple[list[tuple[str, str]], str]] | None:
        return None if answer is None else [(sorted(pairs), f"{value:.12g}") for pairs, value in answer.items()]

    lines = [
        f"{json.dumps(text)}: {json.dumps([written(answer) for answer in answers], separators=(',', ':'))}"
        for text, answers in live.items()
    ]
    RECORDED.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
