"""What an anomaly of a series says to who is woken by it: what, how much, the baseline, the score, and traces to look at."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from processors.assembly.edges import slowest_traces
from processors.detectors.edge_series import CALL_RATE, LATENCY, SELF_TIME
from processors.series.quantities import digits, quantities
from telemetry.sentences.wording import Wording

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from telemetry.call_graph import Edge
    from telemetry.findings import Anomaly
    from telemetry.metrics import Series

_SUBJECTS = {
    LATENCY: Wording.SUBJECT_LATENCY,
    CALL_RATE: Wording.SUBJECT_CALLS,
    SELF_TIME: Wording.SUBJECT_SELF_TIME,
}

_Calls = tuple[int, str, str, str, str]
"""End of their window, environment, caller, operation and callee."""


def describe(anomalies: Iterable[Anomaly], edges: Iterable[Edge] = ()) -> list[Anomaly]:
    """Anomalies of series with their reasons in words, and the slowest traces of the calls that each is about.

    Args:
        anomalies: as `SeriesDetector` reports them.
        edges: the windows of calls that their series were made from, if they were.
    """
    about: dict[_Calls, list[Edge]] = {}
    for edge in edges:
        end, key = edge.start + edge.width, edge.key
        about.setdefault((end, key.environment, key.caller.name, key.operation, key.callee.name), []).append(edge)
        about.setdefault((end, key.environment, "", "", key.callee.name), []).append(edge)
    return [_described(anomaly, about) for anomaly in anomalies]


def _described(anomaly: Anomaly, about: Mapping[_Calls, Sequence[Edge]]) -> Anomaly:
    seen, expected = quantities(anomaly.unit, anomaly.seen, anomaly.expected)
    values = {"subject": _subject(anomaly), "seen": seen, "expected": expected, "score": f"{anomaly.score:.2f}"}
    times = _times(anomaly)
    why = Wording.MEASURED_TIMES(**values, times=times) if times else Wording.MEASURED(**values)
    if not _is_of_calls(anomaly.series):
        return replace(anomaly, why=why)
    label = anomaly.series.label
    of = label("client"), label("operation"), label("server") or label("service")
    calls = about.get((anomaly.end, anomaly.environment, *of), ())
    return replace(anomaly, why=why, trace_ids=slowest_traces(calls))


def _is_of_calls(series: Series) -> bool:
    """Whether a series was made from edges. What somebody sends under such a name says who sent it (`resource_labels`)."""
    return series.name in _SUBJECTS and "service_name" not in dict(series.labels)


def _subject(anomaly: Anomaly) -> str:
    series = anomaly.series
    if _is_of_calls(series):
        return _SUBJECTS[series.name](**dict(series.labels))
    if not anomaly.service:
        return series.name
    if anomaly.instance and anomaly.instance != anomaly.service:
        return Wording.SUBJECT_INSTANCE(series=series.name, service=anomaly.service, instance=anomaly.instance)
    return Wording.SUBJECT_SERIES(series=series.name, service=anomaly.service)


def _times(anomaly: Anomaly) -> str:
    if anomaly.expected <= 0 or anomaly.seen < 0:
        return ""
    times = anomaly.seen / anomaly.expected
    return Wording.TIMES(number=digits(times)) if times >= 1 else f"{times:.0%}"
