"""What the dashboards show.

Calls, failures and mean times come from edges, which readers add up: corrections are edges too, so the sums are exact.
Percentiles come from hops, where a hop that a late span changed is there once for each revision. A trace's spans,
errors and duration only grow with its revisions, so their maximum is the newest.
"""

from __future__ import annotations

from dashboards.kibana.columns import By, Count, Last, LensMetric, LensShare, MeanTime, Percentile
from dashboards.kibana.panels import Chart, Documents, Figure, LensTable
from dashboards.kibana.saved_objects import Dashboard
from stores.layout import NAMESPACE, SERVICE
from telemetry.documents import Kind
from telemetry.logs import ERROR

KINDS = tuple(kind for kind in Kind if kind is not Kind.METRIC)
"""The kinds that have a data view. Elastic's own dashboards read the metrics."""

CALLS = LensMetric("sum", "calls", "Calls")
FAILURES = LensMetric("sum", "failures", "Failures")
FAILED = LensShare("failures", "calls", "Failed")
MEAN = MeanTime("latency_sum", "calls", "Mean latency")
SELF = MeanTime("self_time_sum", "calls", "Mean self time")
IN_CRITICAL_PATH = MeanTime("critical_path_sum", "calls", "Mean time in critical path")
ENVIRONMENT = By("environment", "Environment", 20)
"""First in tables of services: what has the same name in two environments is not one."""
CALLEE = By("callee.name", "Callee", 20)

SERVICES = Dashboard(
    "services",
    "Services",
    "Rate, errors and duration of each service, from the calls that it answered.",
    (
        Figure("Calls", Kind.EDGE, CALLS),
        Figure("Failed calls", Kind.EDGE, FAILED),
        Figure("Mean latency", Kind.EDGE, MEAN),
        Figure("Services seen", Kind.EDGE, LensMetric("unique_count", "callee.name", "Services"), "callee.kind:service"),
        Chart("Calls by service", Kind.EDGE, (CALLS,), CALLEE, bars=True, where="callee.kind:service"),
        Chart("Failed calls by service", Kind.EDGE, (FAILED,), CALLEE, where="callee.kind:service"),
        Chart("Mean latency by service", Kind.EDGE, (MEAN,), CALLEE, where="callee.kind:service"),
        Chart("Mean self time by service", Kind.EDGE, (SELF,), CALLEE, where="callee.kind:service"),
        LensTable(
            "Services",
            Kind.EDGE,
            (ENVIRONMENT, By("callee.name", "Service", 100)),
            (CALLS, FAILURES, FAILED, MEAN, SELF),
            "callee.kind:service",
        ),
    ),
)

MAP = Dashboard(
    "map",
    "Service map",
    "Who calls whom, and how it goes: databases, queues and others outside included.",
    (
        LensTable(
            "Edges",
            Kind.EDGE,
            (ENVIRONMENT, By("caller.name", "Caller", 50), By("callee.name", "Callee", 50), By("protocol", "Protocol", 5)),
            (CALLS, FAILURES, FAILED, MEAN, IN_CRITICAL_PATH),
        ),
        LensTable(
            "Operations",
            Kind.EDGE,
            (ENVIRONMENT, By("callee.name", "Callee", 50), By("operation", "Operation", 50)),
            (CALLS, FAILURES, FAILED, MEAN, SELF),
        ),
        Chart(
            "Time in the critical path",
            Kind.EDGE,
            (LensMetric("sum", "critical_path_sum", "Critical path"),),
            CALLEE,
            bars=True,
        ),
        Chart("Calls by protocol", Kind.EDGE, (CALLS,), By("protocol", "Protocol"), bars=True),
    ),
)

COUNTED = "NOT retracted:true"
"""Hops that no later span has shown to be none."""

HOPS = Dashboard(
    "hops",
    "Hop latency",
    "Where a call's time goes: the callee's own work, the network and its queues, waiting for others.",
    (
        Chart(
            "Latency of a hop",
            Kind.HOP,
            (Percentile("duration", 50, "p50"), Percentile("duration", 95, "p95"), Percentile("duration", 99, "p99")),
            where=COUNTED,
        ),
        Chart("p95 by callee", Kind.HOP, (Percentile("duration", 95, "p95"),), CALLEE, where=COUNTED),
        Chart("Network and queueing, p95 by callee", Kind.HOP, (Percentile("gap", 95, "p95 gap"),), CALLEE, where=COUNTED),
        Chart("Callee's own time, p95", Kind.HOP, (Percentile("self_time", 95, "p95 self time"),), CALLEE, where=COUNTED),
        LensTable(
            "Hops",
            Kind.HOP,
            (ENVIRONMENT, By("caller.name", "Caller", 50), By("callee.name", "Callee", 50), By("operation", "Operation", 10)),
            (
                Percentile("duration", 95, "p95"),
                Percentile("duration", 50, "p50"),
                Percentile("gap", 95, "p95 gap"),
                Percentile("self_time", 95, "p95 self time"),
                LensMetric("average", "critical_path_share", "Share of critical path"),
                LensMetric("unique_count", "id", "Hops"),
            ),
            COUNTED,
        ),
    ),
)

TRACES = Dashboard(
    "traces",
    "Traces",
    "The slowest and the broken; a trace id leads to its logs.",
    (
        Figure("Traces", Kind.TRACE, LensMetric("unique_count", "trace_id", "Traces")),
        Figure("Traces with errors", Kind.TRACE, LensMetric("unique_count", "trace_id", "With errors", "errors:>0")),
        Figure("Longest", Kind.TRACE, LensMetric("max", "duration", "Longest")),
        Figure("Most spans", Kind.TRACE, LensMetric("max", "span_count", "Most spans")),
        Chart(
            "Traces by root",
            Kind.TRACE,
            (LensMetric("unique_count", "trace_id", "Traces"),),
            By("root.operation", "Root"),
            bars=True,
        ),
        Chart("Longest by root", Kind.TRACE, (LensMetric("max", "duration", "Longest"),), By("root.operation", "Root")),
        LensTable(
            "Slowest traces",
            Kind.TRACE,
            (By("trace_id", "Trace", 50),),
            (
                LensMetric("max", "duration", "Duration"),
                LensMetric("max", "span_count", "Spans"),
                LensMetric("max", "errors", "Errors"),
                Last("root.service", "Root service", "root.service:?*"),
                Last("root.operation", "Root operation", "root.operation:?*"),
                Last("environment", "Environment"),
            ),
        ),
        Documents(
            "spans",
            "Spans",
            Kind.SPAN,
            ("environment", NAMESPACE, SERVICE, "name", "kind", "status.code", "duration", "trace_id", "span_id"),
        ),
    ),
)

ERROR_LOGS = f"severity_number:>={ERROR}"

LOGS = Dashboard(
    "logs",
    "Logs by trace",
    "Write trace_id:... into the search bar, or come from a trace id of another dashboard.",
    (
        Chart("Logs by severity", Kind.LOG, (Count("Logs"),), By("severity_text", "Severity"), bars=True),
        Chart("Errors by service", Kind.LOG, (Count("Errors", ERROR_LOGS),), By(SERVICE, "Service"), bars=True),
        LensTable(
            "Traces with most errors in their logs",
            Kind.LOG,
            (By("trace_id", "Trace", 50),),
            (Count("Errors", ERROR_LOGS), Count("Logs"), LensMetric("unique_count", SERVICE, "Services")),
            "_exists_:trace_id",
        ),
        Documents(
            "log-records",
            "Logs",
            Kind.LOG,
            ("environment", NAMESPACE, SERVICE, "severity_text", "body.text", "trace_id", "span_id"),
        ),
    ),
)

ANOMALIES = Dashboard(
    "anomalies",
    "Anomalies and culprits",
    "Anomalies: what deviates, how much and why, and the likely root cause.",
    (
        Figure("Deviations", Kind.ANOMALY, Count("Anomalies")),
        Figure("Highest score", Kind.ANOMALY, LensMetric("max", "score", "Score")),
        Figure("Services", Kind.ANOMALY, LensMetric("unique_count", "service", "Services")),
        Figure("Rankings", Kind.CULPRIT, Count("Rankings")),
        Chart("Anomalies by kind", Kind.ANOMALY, (Count("Anomalies"),), By("kind", "Kind"), bars=True),
        Chart("Highest score by service", Kind.ANOMALY, (LensMetric("max", "score", "Score"),), By("service", "Service")),
        LensTable(
            "All anomalies",
            Kind.ANOMALY,
            (ENVIRONMENT, By("service", "Service", 50), By("kind", "Kind"), By("operation", "Operation", 20)),
            (LensMetric("max", "score", "Highest score"), Count("Windows")),
        ),
        Documents(
            "anomaly-documents",
            "Anomalies",
            Kind.ANOMALY,
            ("environment", "kind", "service", "operation", "score", "expected", "seen", "unit", "why", "trace_ids"),
        ),
        Documents("culprit-documents", "Culprits", Kind.CULPRIT, ("environment", "ranking.service", "ranking.score")),
    ),
)

REPAIRS = Dashboard(
    "repairs",
    "Alerts and repairs",
    "Alerts, notifications, repairs, and whether they helped.",
    (
        Figure("Alerts fired", Kind.ALERT, Count("Fired", "state:firing")),
        Figure("Incidents opened", Kind.INCIDENT, LensMetric("unique_count", "id", "Incidents")),
        Figure("Repaired and proven", Kind.INCIDENT, LensMetric("unique_count", "id", "Closed", "state:closed")),
        Figure("Escalated", Kind.INCIDENT, LensMetric("unique_count", "id", "Escalated", "state:escalated")),
        Chart("Alerts fired by name", Kind.ALERT, (Count("Fired", "state:firing"),), By("alertname", "Alert"), bars=True),
        Chart("Notifications by receiver", Kind.NOTIFICATION, (Count("Notifications"),), By("receiver", "Receiver"), bars=True),
        LensTable(
            "Alerts",
            Kind.ALERT,
            (By("fingerprint", "Alert", 50),),
            (
                Count("Changes"),
                Last("alertname", "Name"),
                Last("state", "State"),
                Last("service", "Service"),
                Last("group", "Group"),
                Last("expr", "Expression"),
                Last("value", "Value", data_type="number"),
            ),
        ),
        LensTable(
            "Incidents",
            Kind.INCIDENT,
            (By("id", "Incident", 50),),
            (
                Count("Changes"),
                Last("state", "State"),
                Last("playbook", "Playbook"),
                Last("service", "Service"),
                Last("environment", "Environment"),
                Last("why", "Why", "why:?*"),
            ),
        ),
        Documents(
            "alert-documents",
            "Changes of alerts",
            Kind.ALERT,
            ("alertname", "state", "service", "group", "labels", "annotations", "value"),
        ),
        Documents("notification-documents", "Notifications", Kind.NOTIFICATION, ("receiver", "outcome", "attempts", "error")),
        Documents("audit-documents", "Audit trail", Kind.AUDIT, ("chain", "sequence", "incident", "event", "hash")),
    ),
)

DASHBOARDS = (SERVICES, MAP, HOPS, TRACES, LOGS, ANOMALIES, REPAIRS)
