"""The dashboard about Spanloom itself: its own metrics, as a Prometheus has them that scrapes /metrics of every role.

Not those of /prometheus on the console: a pipeline that stands still cannot show it. So the data source is a variable.
"""

from __future__ import annotations

from dataclasses import dataclass
from string import ascii_uppercase
from typing import TYPE_CHECKING

from dashboards.grafana.panels import COLUMNS, dashboard_of
from dashboards.grafana.promql import RATE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry.json_object import JsonObject

SOURCE: JsonObject = {"type": "prometheus", "uid": "${prometheus}"}
CHOSEN = '{instance=~"$instance"}'


@dataclass(frozen=True, slots=True)
class OwnPanel:
    """A chart, or the newest value where it is a figure, of pairs of legend and expression."""

    title: str
    about: str
    unit: str
    shown: tuple[tuple[str, str], ...]
    figure: bool = False
    alarm: float | None = None
    """The value from which a figure is red."""


def _value(name: str, *by: str) -> str:
    return f"sum by ({', '.join(('instance', *by))}) ({name}{CHOSEN})"


def _rate(name: str, *by: str) -> str:
    return f"sum by ({', '.join(('instance', *by))}) (rate({name}{CHOSEN}[{RATE}]))"


def _quantile(share: float, name: str, by: str) -> str:
    return f"histogram_quantile({share:g}, sum by (le, {by}) (rate({name}_bucket{CHOSEN}[{RATE}])))"


def _all(name: str) -> str:
    return f"sum(increase({name}{CHOSEN}[$__range]))"


FIGURES = (
    OwnPanel("Store", "1 while the store answers everybody", "short", (("answers", f"min(spanloom_store_up{CHOSEN})"),), True),
    OwnPanel("Lag", "Records that are not committed yet", "short", (("records", f"sum(spanloom_lag_records{CHOSEN})"),), True),
    OwnPanel("Dead letters", "In the time shown", "short", (("records", _all("spanloom_dead_letters_total")),), True, 1),
    OwnPanel("Dropped", "In the time shown", "short", (("items", _all("spanloom_dropped_total")),), True, 1),
    OwnPanel(
        "Partitions that stand",
        "Paused for unusable records, or stalled",
        "short",
        (
            (
                "partitions",
                f"count(spanloom_paused_partition_offset{CHOSEN} or spanloom_stalled_partition_offset{CHOSEN}) or vector(0)",
            ),
        ),
        True,
        1,
    ),
    OwnPanel(
        "Notifications that failed",
        "For good, in the time shown",
        "short",
        (("failed", _all("spanloom_notifications_failed_total")),),
        True,
        1,
    ),
)

SECTIONS: dict[str, tuple[OwnPanel, ...]] = {
    "Received": (
        OwnPanel(
            "Accepted items",
            "Spans, log records and points that were acknowledged: they are on the log",
            "cps",
            (("{{instance}} {{signal}}", _rate("spanloom_collector_accepted_items_total", "signal")),),
        ),
        OwnPanel(
            "Refused",
            "Requests and items that senders have to send again, or to mend",
            "cps",
            (
                ("{{instance}} requests {{reason}}", _rate("spanloom_collector_refused_requests_total", "reason")),
                ("{{instance}} items {{reason}}", _rate("spanloom_collector_refused_items_total", "reason")),
            ),
        ),
    ),
    "Log": (
        OwnPanel(
            "Lag",
            "Records that are not committed yet. Never 0: a record is committed when all that it contributed to is stored",
            "short",
            (("{{instance}} {{topic}}", _value("spanloom_lag_records", "topic")),),
        ),
        OwnPanel(
            "In flight",
            "Records that were delivered and are not committed yet",
            "short",
            (("{{instance}} {{agent}}", _value("spanloom_in_flight_records", "agent")),),
        ),
        OwnPanel(
            "Dead letters and records deleted unread",
            "Records that could not be used, and those that the log deleted before they were read",
            "cps",
            (
                ("{{instance}} dead letters", _rate("spanloom_dead_letters_total")),
                ("{{instance}} deleted {{topic}}", _rate("spanloom_records_deleted_unread_total", "topic")),
            ),
        ),
        OwnPanel(
            "Dropped",
            "Items that analysis excluded because a limit was reached",
            "cps",
            (("{{instance}} {{reason}}", _rate("spanloom_dropped_total", "reason")),),
        ),
    ),
    "Stages": (
        OwnPanel(
            "Records",
            "Delivered to each agent; redelivered ones count again",
            "cps",
            (("{{instance}} {{agent}}", _rate("spanloom_records_total", "agent")),),
        ),
        OwnPanel(
            "Busy",
            "Share of the time that an agent is busy with records or waits for room. At 100% it limits the throughput",
            "percentunit",
            (("{{instance}} {{agent}}", _rate("spanloom_record_seconds_sum", "agent")),),
        ),
        OwnPanel(
            "Seconds a record, p95",
            "For which an agent is busy with a record",
            "s",
            (("{{agent}}", _quantile(0.95, "spanloom_record_seconds", "agent")),),
        ),
        OwnPanel(
            "Traces",
            "Stored, and of these closed early by a limit or for want of memory",
            "cps",
            (
                ("{{instance}} stored", _rate("spanloom_traces_total")),
                ("{{instance}} cut", _rate("spanloom_traces_cut_total")),
                ("{{instance}} crowded", _rate("spanloom_traces_crowded_total")),
            ),
        ),
    ),
    "Store": (
        OwnPanel(
            "Requests, p50 and p95",
            "Seconds that the store took, by operation",
            "s",
            (
                ("{{operation}} p50", _quantile(0.5, "spanloom_store_request_seconds", "operation")),
                ("{{operation}} p95", _quantile(0.95, "spanloom_store_request_seconds", "operation")),
            ),
        ),
        OwnPanel(
            "Failures",
            "Requests made again because the store did not answer, documents that it refused, samples that it did not take",
            "cps",
            (
                ("{{instance}} again {{operation}}", _rate("spanloom_store_requests_retried_total", "operation")),
                ("{{instance}} rejected documents", _rate("spanloom_documents_rejected_total")),
                ("{{instance}} sample batches", _rate("spanloom_sample_flushes_failed_total")),
            ),
        ),
        OwnPanel(
            "Documents",
            "Stored, and those that were stored already: read again after a restart",
            "cps",
            (
                ("{{instance}} created", _rate("spanloom_documents_created_total")),
                ("{{instance}} existing", _rate("spanloom_documents_existing_total")),
            ),
        ),
        OwnPanel(
            "Waiting for the store",
            "Documents that it refuses for now, and samples",
            "short",
            (
                ("{{instance}} documents {{kind}}", _value("spanloom_store_refused_documents_waiting", "kind")),
                ("{{instance}} samples", _value("spanloom_stored_samples_waiting")),
            ),
        ),
    ),
    "Memory and processor": (
        OwnPanel(
            "Memory",
            "Of each process as the operating system counts it",
            "bytes",
            (("{{instance}}", _value("process_resident_memory_bytes")),),
        ),
        OwnPanel(
            "Memory by holder",
            "What has a bound in bytes: docs/memory.md",
            "bytes",
            (
                ("{{instance}} {{holder}}", _value("spanloom_memory_bytes", "holder")),
                ("{{instance}} requests", _value("spanloom_collector_memory_bytes")),
            ),
        ),
        OwnPanel("Processor", "Cores that each process uses", "short", (("{{instance}}", _rate("process_cpu_seconds_total")),)),
        OwnPanel(
            "Connections",
            "Open ones, and those that the server closed by itself",
            "short",
            (
                ("{{instance}} {{port}} open", _value("spanloom_connections", "port")),
                (
                    "{{instance}} {{port}} closed a second: {{reason}}",
                    _rate("spanloom_connections_closed_total", "port", "reason"),
                ),
            ),
        ),
    ),
    "Alerts and repairs": (
        OwnPanel(
            "Rule evaluations",
            "Those that failed or were skipped mean alerts that may be missing",
            "cps",
            (
                ("{{instance}} done", _rate("spanloom_rule_evaluations_total")),
                ("{{instance}} failed", _rate("spanloom_rule_failures_total")),
                ("{{instance}} skipped", _rate("spanloom_rules_missed_total")),
            ),
        ),
        OwnPanel(
            "Seconds of evaluation a second",
            "Share of the time that evaluating rules takes",
            "percentunit",
            (("{{instance}}", _rate("spanloom_rule_evaluation_seconds_total")),),
        ),
        OwnPanel(
            "Notifications",
            "Delivered, failed for good; heartbeats that the dead man's switch took or not",
            "cps",
            (
                ("{{instance}} delivered", _rate("spanloom_notifications_delivered_total")),
                ("{{instance}} failed", _rate("spanloom_notifications_failed_total")),
                ("{{instance}} heartbeats", _rate("spanloom_heartbeats_sent_total")),
                ("{{instance}} heartbeats failed", _rate("spanloom_heartbeats_failed_total")),
            ),
        ),
        OwnPanel(
            "Anomalies, rankings and repairs",
            "What the analysis found, and what playbooks did",
            "cps",
            (
                ("{{instance}} anomalies", _rate("spanloom_anomalies_total")),
                ("{{instance}} rankings", _rate("spanloom_rankings_total")),
                ("{{instance}} actions done", _rate("spanloom_repair_actions_done_total")),
                ("{{instance}} actions failed", _rate("spanloom_repair_actions_failed_total")),
            ),
        ),
    ),
}
"""Rows of the dashboard, from the receivers to the alerts."""

_VARIABLES: tuple[JsonObject, ...] = (
    {"type": "datasource", "name": "prometheus", "label": "Prometheus that scrapes /metrics", "query": "prometheus"},
    {
        "type": "query",
        "name": "instance",
        "label": "Instance",
        "datasource": SOURCE,
        "query": "label_values(spanloom_connections_limit, instance)",
        "refresh": 2,
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "current": {"text": ["All"], "value": ["$__all"]},
    },
)


def itself() -> JsonObject:
    """The dashboard."""
    about = "Lag, stages, store, memory and alerting of every role, from a Prometheus that scrapes their /metrics."
    return dashboard_of("itself", "Spanloom itself", about, _panels(), _VARIABLES)


def _panels() -> Iterator[JsonObject]:
    yield from map(_panel, FIGURES)
    for title, panels in SECTIONS.items():
        yield {"type": "row", "title": title, "collapsed": False, "gridPos": {"w": COLUMNS, "h": 1}, "panels": []}
        yield from map(_panel, panels)


def _panel(panel: OwnPanel) -> JsonObject:
    width, height = (4, 4) if panel.figure else (12, 8)
    defaults: JsonObject = {"unit": panel.unit}
    if panel.figure:
        options: JsonObject = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "colorMode": "value"}
        if panel.alarm is not None:
            steps = [{"color": "green", "value": None}, {"color": "red", "value": panel.alarm}]
            defaults["thresholds"] = {"mode": "absolute", "steps": steps}
    else:
        options = {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
        defaults["custom"] = {"drawStyle": "line", "fillOpacity": 5, "showPoints": "never"}
    return {
        "type": "stat" if panel.figure else "timeseries",
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "gridPos": {"w": width, "h": height},
        "targets": [_target(panel, number, *each) for number, each in enumerate(panel.shown)],
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
    }


def _target(panel: OwnPanel, number: int, legend: str, expression: str) -> JsonObject:
    return {
        "refId": ascii_uppercase[number],
        "datasource": SOURCE,
        "editorMode": "code",
        "expr": expression,
        "instant": panel.figure,
        "range": not panel.figure,
        "format": "time_series",
        "legendFormat": legend,
    }
