"""What a panel of Kibana's shows of documents, as PromQL over the samples that say the same.

There are samples of calls between two nodes, of log records, of anomalies, rankings and alerts. A column that none of them says
has no expression: see `expression`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dashboards.kibana.columns import Count, LensMetric, LensShare, MeanTime, Percentile
from stores.layout import SERVICE
from telemetry.documents import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dashboards.kibana.columns import LensColumn

RATE, RANGE = "$__rate_interval", "$__range"
"""Grafana's windows: for a point of a chart, and for all of the dashboard's time."""

_GRAPH = "traces_service_graph_request"
_CALLS, _FAILED, _TIME = f"{_GRAPH}_total", f"{_GRAPH}_failed_total", f"{_GRAPH}_client_seconds"
_OF_CALLS = frozenset({Kind.EDGE, Kind.HOP})

LABELS: Mapping[Kind, Mapping[str, str]] = {
    Kind.EDGE: {"callee.name": "server", "caller.name": "client", "protocol": "connection_type"},
    Kind.HOP: {"callee.name": "server", "caller.name": "client"},
    Kind.LOG: {"severity_text": "severity", SERVICE: "service"},
    Kind.ANOMALY: {"kind": "kind", "service": "service", "operation": "operation"},
    Kind.CULPRIT: {},
    Kind.ALERT: {"alertname": "alertname"},
}
"""Labels of the samples by the fields of the documents. A data source shows one environment, so that it is no label."""

_MATCHERS = {
    "callee.kind:service": 'connection_type!="database",virtual_node!="server"',
    "NOT retracted:true": "",
    "severity_number:>=17": 'severity=~"ERROR|FATAL"',
    "state:firing": 'alertstate="firing"',
    "": "",
}
"""The conditions of the definitions, as matchers of the samples."""

_COUNTED = {
    Kind.LOG: "spanloom_log_records_total",
    Kind.ANOMALY: "spanloom_anomaly_score",
    Kind.CULPRIT: "spanloom_culprit_score",
    Kind.ALERT: "ALERTS",
}


@dataclass(frozen=True, slots=True)
class PromQL:
    """An expression, and Grafana's unit of its values."""

    text: str
    unit: str


def expression(kind: Kind, metric: LensColumn, by: Sequence[str], where: str, *, chart: bool) -> PromQL | None:
    """The samples that say what a column shows of documents.

    Args:
        kind: of the documents.
        metric: the column.
        by: labels of the samples to have apart.
        where: the panel's condition, in Lucene's syntax.
        chart: over time, so that calls are a rate; else of all of the dashboard's time.
    """
    conditions = [_MATCHERS.get(one) for one in (where, getattr(metric, "where", ""))]
    if kind not in LABELS or None in conditions:
        return None
    matchers = ",".join(condition for condition in conditions if condition)
    window = RATE if chart else RANGE
    if kind in _OF_CALLS:
        return _of_calls(metric, by, matchers, chart=chart, window=window)
    return _of_others(kind, metric, by, matchers, chart=chart, window=window)


def _of_calls(metric: LensColumn, by: Sequence[str], matchers: str, *, chart: bool, window: str) -> PromQL | None:
    def summed(name: str, function: str, *more: str) -> str:
        labels = [*more, *by]
        grouped = f"sum by ({', '.join(labels)})" if labels else "sum"
        selector = f"{name}{{{matchers}}}" if matchers else name
        return f"{grouped} ({function}({selector}[{window}]))"

    counted = "rate" if chart else "increase"
    unit = "reqps" if chart else "short"
    match metric:
        case LensMetric("sum", "calls") | LensMetric("unique_count", "id"):
            found = summed(_CALLS, counted), unit
        case LensMetric("sum", "failures"):
            found = summed(_FAILED, counted), unit
        case LensShare("failures", "calls"):
            found = f"{summed(_FAILED, 'rate')} / {summed(_CALLS, 'rate')}", "percentunit"
        case MeanTime("latency_sum", "calls"):
            found = f"{summed(f'{_TIME}_sum', 'rate')} / {summed(f'{_TIME}_count', 'rate')}", "s"
        case LensMetric("unique_count", "callee.name"):
            selector = f"{_CALLS}{{{matchers}}}" if matchers else _CALLS
            found = f"count (sum by (server) (increase({selector}[{window}])) > 0)", "short"
        case Percentile("duration", percent):
            found = f"histogram_quantile({percent / 100:g}, {summed(f'{_TIME}_bucket', 'rate', 'le')})", "s"
        case _:
            return None
    return PromQL(*found)


def _of_others(kind: Kind, metric: LensColumn, by: Sequence[str], matchers: str, *, chart: bool, window: str) -> PromQL | None:
    name = _COUNTED[kind]
    if kind is Kind.CULPRIT:
        matchers = 'rank="1"'  # a ranking has several suspects, and one that is the first
    selector = f"{name}{{{matchers}}}" if matchers else name
    grouped = f" by ({', '.join(by)})" if by else ""
    match metric:
        case Count() if kind is Kind.LOG:
            function, unit = ("rate", "cps") if chart else ("increase", "short")
            return PromQL(f"sum{grouped} ({function}({selector}[{window}]))", unit)
        case Count() if kind is Kind.ALERT:
            return PromQL(f"count{grouped} ({f'{selector}' if chart else f'max_over_time({selector}[{window}])'})", "short")
        case Count():
            return PromQL(f"sum{grouped} (count_over_time({selector}[{window}]))", "short")
        case LensMetric("max", "score"):
            return PromQL(f"max{grouped} (max_over_time({selector}[{window}]))", "percentunit")
        case LensMetric("unique_count", "service"):
            return PromQL(f"count (max by (service) (max_over_time({selector}[{window}])))", "short")
        case _:
            return None
