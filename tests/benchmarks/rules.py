"""Rules evaluated per second: 1,000 rules over 10,000 series with an hour of samples.

Run: python -m tests.benchmarks.rules
"""

from __future__ import annotations

import random
import time

from alerting.rules.engine import AlertEngine
from alerting.rules.files import parse_rules
from alerting.rules.samples import Samples
from components.durations import HOUR, MINUTE, SECOND
from telemetry.metrics import Point, Series

RULES, STEP, ROUNDS = 1_000, 15 * SECOND, 5
START = 1_700_000_000 * SECOND // MINUTE * MINUTE
END = START + HOUR
SERVICES = 200


def series() -> list[Series]:
    """Of every service ten instances with two counters and a gauge each, and a latency histogram: 50 series."""
    found = []
    for s in range(SERVICES):
        service = ("service", f"s{s:03}")
        for i in range(10):
            instance = ("instance", f"i{i}")
            found += [Series("requests_total", (instance, service, ("status", code))) for code in ("200", "500")]
            found.append(Series("memory_bytes", (instance, service)))
        bounds = [*(f"{2**b / 1000:g}" for b in range(19)), "+Inf"]
        found += [Series("latency_seconds_bucket", (("le", bound), service)) for bound in bounds]
    return found


def rules() -> str:
    """Five rules a service: error ratio, quantile, a range of a gauge, an aggregation, a comparison with an earlier time."""
    lines = ["groups:"]
    for s in range(RULES // 5):
        own = f'service="s{s:03}"'
        lines += [f"- name: g{s}", "  interval: 60s", "  rules:"]
        for name, expr in (
            ("Errors", f'sum(rate(requests_total{{{own},status="500"}}[5m])) / sum(rate(requests_total{{{own}}}[5m])) > 0.9'),
            ("Slow", f"histogram_quantile(0.95, sum by (le) (rate(latency_seconds_bucket{{{own}}}[5m]))) > 100"),
            ("Memory", f"max_over_time(memory_bytes{{{own}}}[10m]) > 1e9"),
            ("Busy", f"sum by (service) (increase(requests_total{{{own}}}[5m])) > 1e12"),
            ("Drop", f"avg(memory_bytes{{{own}}}) < 0.1 * avg(memory_bytes{{{own}}} offset 30m)"),
        ):
            lines += [f"  - alert: {name}", f"    expr: {expr}", "    for: 5m"]
    return "\n".join(lines)


def main() -> None:
    """Fill the memory, evaluate, print."""
    chance = random.Random(1)
    samples = Samples()
    every = series()
    values = [0.0] * len(every)
    begin = time.perf_counter()
    for at in range(START, END + 1, STEP):
        for i in range(len(every)):
            values[i] += chance.random()
        samples.add([Point(own, at, value) for own, value in zip(every, values, strict=True)])
    filled = time.perf_counter() - begin
    count = samples.counts.added
    engine = AlertEngine(parse_rules(rules(), "benchmark.yml"), samples)
    engine.advance(END - ROUNDS * MINUTE)
    before, cpu = engine.counts.evaluations, time.process_time()
    engine.advance(END)
    spent, done = time.process_time() - cpu, engine.counts.evaluations - before
    print(f"{len(every):,} series, {count:,} samples added in {filled:.1f} s ({count / filled:,.0f}/s)")  # noqa: T201  # its purpose
    print(f"{done:,} rule evaluations in {spent:.2f} CPU-s: {done / spent:,.0f} rules/s, {spent / done * 1e3:.2f} ms a rule")  # noqa: T201  # its purpose
    assert engine.counts.failures == 0, [health.error for health in engine.health() if health.error][:3]


if __name__ == "__main__":
    main()
