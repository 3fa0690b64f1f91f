"""Rules over all environments, and texts of alerts, read the store of samples too."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from alerting.alert_state import AlertState
from alerting.promql.expression import LOOKBACK, compile_expression
from alerting.rules.engine import AlertEngine
from alerting.rules.files import parse_rules
from alerting.rules.samples import Samples
from alerting.stored_samples.history import StoredHistory
from alerting.stored_samples.recorder import SampleRecorder
from components.durations import HOUR, MINUTE, SECOND
from stores.duckdb.samples import DuckDbSampleStore
from telemetry.environment import EVERY_ENVIRONMENT, RESOURCE_LABEL
from telemetry.metrics import Point, Series
from tests.alerting.stored_samples.test_history import START, UNLIMITED, World, points, same

if TYPE_CHECKING:
    from pathlib import Path


def in_staging(point: Point) -> Point:
    series = point.series
    return replace(point, series=Series(series.name, tuple(sorted((*series.labels, (RESOURCE_LABEL, "staging"))))))


async def test_a_rule_over_all_environments_reads_what_each_of_them_has_stored(tmp_path: Path) -> None:
    store, everything = DuckDbSampleStore(tmp_path / "samples.duckdb"), Samples(UNLIMITED)
    recorder = SampleRecorder(store, lambda: 0)
    memory = {name: Samples() for name in ("default", "staging", EVERY_ENVIRONMENT)}
    journals = {name: recorder.journal(name, partial(getattr, samples, "newest")) for name, samples in memory.items()}
    for name, samples in memory.items():
        samples.journal, samples.journals_points = journals[name], name != EVERY_ENVIRONMENT
    over_all = memory[EVERY_ENVIRONMENT]
    history = StoredHistory(store, over_all, journals[EVERY_ENVIRONMENT])
    rows = sorted((point for number in range(2) for point in points(number, 12)), key=lambda point: point.time)
    expression = compile_expression("sum by (deployment_environment_name) (increase(sent_total[9h]))")
    recorded, recorded_at = (("__name__", "all:sent"), ("to", "all")), list[int]()
    for start in range(0, len(rows), 300):
        part, staged = rows[start : start + 300], list(map(in_staging, rows[start : start + 300]))
        memory["default"].add(part)
        memory["staging"].add(staged)
        for samples in (over_all, everything):
            samples.add([*part, *staged])
        recorded_at.append(part[-1].time)
        over_all.append(recorded, recorded_at[-1], float(start))
        for samples in memory.values():
            samples.retain()
        await recorder.flush()
    at = over_all.newest // SECOND * SECOND
    for now in (HOUR, 2 * HOUR):
        wanted = {reach: reach.of(over_all, at, at, LOOKBACK) for reach in expression.reaches}
        past = await history.for_rules(wanted, now)
        begin = (at - 9 * HOUR + MINUTE // 2) // MINUTE * MINUTE
        covered = (at - begin) // SECOND
        oracle = compile_expression(f"sum by ({RESOURCE_LABEL}) (increase(sent_total[{covered}s]))").evaluate(everything, at)
        expected = sorted((labels, value * 9 * 3600 / covered) for labels, value in oracle)
        assert same(expression.evaluate(over_all, at, past=past), expected)
        assert len(expected) == 2
    steps = compile_expression("count_over_time(all:sent[9h])")
    past = await history.for_rules({reach: reach.of(over_all, at, at, LOOKBACK) for reach in steps.reaches}, 3 * HOUR)
    ((_, count),) = steps.evaluate(over_all, at, past=past)
    assert count == sum(at - 9 * HOUR < time <= at for time in recorded_at)
    await store.close()


RULES = """
groups:
- name: sent
  interval: 1m
  rules:
  - alert: Sent
    expr: sum by (to) (sent_total) >= 0
    annotations:
      day: '{{ printf "sum_over_time(sent_total{to=%q}[9h])" $labels.to | query | first | value | printf "%.3f" }}'
      recent: '{{ with query "vector(1)" }}{{ . | first | value }}{{ end }}'
"""


async def test_a_query_in_the_text_of_an_alert_reads_the_past(tmp_path: Path) -> None:
    world = World(tmp_path / "samples.duckdb")
    await world.feed(points(0, 12))
    engine = AlertEngine(parse_rules(RULES, "r.yml"), world.samples)
    at = (START + 12 * HOUR) // MINUTE * MINUTE
    reads = engine.reads(at)
    assert reads == {}
    engine.past = await world.history.for_rules(reads, HOUR)
    engine.past = await world.history.for_rules(engine.texts_read(at), HOUR)
    (change,) = [each for each in engine.advance(at) if each.state is AlertState.FIRING]
    ((_, value),) = world.expected("sum_over_time", 9 * HOUR, at, MINUTE)
    assert float(change.annotations["day"]) == round(value, 3)
    assert change.annotations["recent"] == "1"
    await world.store.close()
