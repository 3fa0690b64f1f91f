"""CPU of a rule over 7 d on 1,000 series: the first evaluation, and one a minute after it.

Run: python -m tests.benchmarks.long_rules [URL of an Elasticsearch]

Into Elasticsearch the old samples come one an hour: what rules read is a bucket an hour in either case.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from alerting.rules.engine import AlertEngine
from alerting.rules.files import parse_rules
from alerting.stored_samples.history import StoredHistory
from alerting.stored_samples.recorder import SampleRecorder
from components.durations import HOUR, MINUTE, SECOND
from stores.duckdb.samples import DuckDbSampleStore
from stores.elasticsearch.samples.store import ElasticsearchSampleStore
from stores.samples.levels import DAY
from telemetry.metrics import Point, Series

if TYPE_CHECKING:
    from stores.samples.store import SampleStore

SERIES, ROUNDS = 1_000, 10
START = 1_700_000_000 * SECOND // HOUR * HOUR
END = START + 7 * DAY + HOUR
EXPRESSIONS = (
    "increase(requests_total[7d])",
    "sum(rate(requests_total[7d]))",
    "avg_over_time(requests_total[7d])",
    "max_over_time(requests_total[7d]) > 1e12",
)


def rules(expression: str) -> str:
    """One rule a minute."""
    return f"groups:\n- name: g\n  interval: 1m\n  rules:\n  - record: r\n    expr: {expression}\n"


def scraped(every: list[Series], at: int) -> list[Point]:
    """A counter of each series at a time."""
    return [Point(series, at, float((at - START) // SECOND * (n % 7 + 1))) for n, series in enumerate(every)]


async def main(elasticsearch: str = "") -> None:
    """Fill the store, evaluate, print."""
    every = [Series("requests_total", (("instance", f"i{n:04}"),), False) for n in range(SERIES)]
    with tempfile.TemporaryDirectory() as folder:
        store: SampleStore = DuckDbSampleStore(Path(folder) / "samples.duckdb")
        if elasticsearch:
            store = ElasticsearchSampleStore(elasticsearch, None, f"bench{int(time.monotonic() * 1000)}")
        step = HOUR if elasticsearch else 5 * MINUTE
        engine = AlertEngine(stored_for=400 * DAY)
        samples, now = engine.samples, 0
        recorder = SampleRecorder(store, lambda: now)
        samples.journal = journal = recorder.journal("default", lambda: samples.newest)
        history = StoredHistory(store, samples, journal)
        at, fed = START, 0
        while at < END:
            samples.add(scraped(every, at))
            fed += SERIES
            if fed % 100_000 == 0:
                samples.retain()
                await recorder.flush()
            at += step if at < END - 2 * HOUR else 15 * SECOND
        await recorder.flush()
        print(f"{fed:,} samples of {SERIES:,} series over 7 d")  # noqa: T201  # its purpose
        for expression in EXPRESSIONS:
            engine.replace_rules(parse_rules(rules(expression), "rules.yml"))
            spent, flushed, waited = [], [], []
            for _ in range(ROUNDS):
                for _ in range(4):
                    samples.add(
                        [Point(series, at, float((at - START) // SECOND * (n % 7 + 1))) for n, series in enumerate(every)]
                    )
                    at += 15 * SECOND
                begin = time.process_time()
                await recorder.flush()
                flushed.append(time.process_time() - begin)
                now += MINUTE
                begin, began = time.process_time(), time.monotonic()
                engine.past = await history.for_rules(engine.reads(at), now)
                engine.advance(at)
                spent.append(time.process_time() - begin)
                waited.append(time.monotonic() - began)
                errors = [each.error for each in engine.health() if each.error]
                assert not errors, errors
            first, after = spent[0] * 1000, median(spent[1:]) * 1000
            print(  # noqa: T201  # as above
                f"{expression}: first {first:.0f} ms, then {after:.1f} ms (most {max(spent[1:]) * 1000:.1f}) of CPU; "
                f"flush of 4,000 samples {median(flushed) * 1000:.0f} ms; "
                f"by the clock {waited[0]:.2f} s, then {median(waited[1:]):.2f} s"
            )
        await store.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:2]))
