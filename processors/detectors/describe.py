"""What an anomaly of a series says to who is woken by it: what, how much, how much usually, how rare, and traces to look at."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from processors.assembly.edges import slowest_traces
from processors.detectors.edge_series import CALL_RATE, LATENCY, SELF_TIME
from processors.detectors.streaming import HALF
from processors.series.quantities import digits, quantities

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from telemetry.call_graph import Edge
    from telemetry.findings import Anomaly
    from telemetry.metrics import Series

_SUBJECTS = {
    LATENCY: "p95 of {client} → {server} {operation}",
    CALL_RATE: "calls {client} → {server} {operation}",
    SELF_TIME: "own time of {service} a call",
}
_MAGNITUDES = ((1e12, "a trillion"), (1e9, "billion"), (1e6, "million"), (1e3, "thousand"), (1.0, ""))


def describe(anomalies: Iterable[Anomaly], edges: Iterable[Edge] = ()) -> list[Anomaly]:
    """Anomalies of series with their reasons in words, and the slowest traces of the calls that each is about.

    Args:
        anomalies: as `SeriesDetector` reports them.
        edges: the windows of calls that their series were made from, if they were.
    """
    about: dict[tuple[int, str, str, str], list[Edge]] = {}
    for edge in edges:
        end, key = edge.start + edge.width, edge.key
        about.setdefault((end, key.caller.name, key.operation, key.callee.name), []).append(edge)
        about.setdefault((end, "", "", key.callee.name), []).append(edge)
    return [_described(anomaly, about) for anomaly in anomalies]


def _described(anomaly: Anomaly, about: Mapping[tuple[int, str, str, str], Sequence[Edge]]) -> Anomaly:
    seen, expected = quantities(anomaly.unit, anomaly.seen, anomaly.expected)
    why = f"{_subject(anomaly)}: {seen}, usually {expected}{_times(anomaly)}; by chance once in {_rarity(anomaly.score)} values"
    if not _is_of_calls(anomaly.series):
        return replace(anomaly, why=why)
    label = anomaly.series.label
    calls = about.get((anomaly.end, label("client"), label("operation"), label("server") or label("service")), ())
    return replace(anomaly, why=why, trace_ids=slowest_traces(calls))


def _is_of_calls(series: Series) -> bool:
    """Whether a series was made from edges. What somebody sends under such a name says who sent it (`resource_labels`)."""
    return series.name in _SUBJECTS and "service_name" not in dict(series.labels)


def _subject(anomaly: Anomaly) -> str:
    series = anomaly.series
    if _is_of_calls(series):
        return _SUBJECTS[series.name].format_map(dict(series.labels))
    at = f" ({anomaly.instance})" if anomaly.instance and anomaly.instance != anomaly.service else ""
    return f"{series.name} of {anomaly.service}{at}" if anomaly.service else series.name


def _times(anomaly: Anomaly) -> str:
    if anomaly.expected <= 0 or anomaly.seen < 0:
        return ""
    times = anomaly.seen / anomaly.expected
    return f" ({digits(times)} times as much)" if times >= 1 else f" ({times:.0%} of that)"


def _rarity(score: float) -> str:
    """In how many values a score is reached once: the inverse of `processors.detectors.streaming.score_of`."""
    values = math.exp(min(-math.log1p(-score) * HALF / math.log(2.0), 40.0)) if score < 1 else math.inf
    least, name = next(magnitude for magnitude in _MAGNITUDES if values >= magnitude[0])
    return f"more than {name}" if least == 1e12 else f"{float(f'{values / least:.2g}'):g} {name}".strip()
