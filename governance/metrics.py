"""What the control plane counts about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


class ControlMetrics:
    """Counters of the control plane; `kind` is of resources: cds, eds, sds, lds, rds or rtds."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.streams = Gauge("spanloom_control_streams", "Streams of agents that are open.", registry=registry)
        self.requests = Counter("spanloom_control_requests", "Requests of agents.", registry=registry)
        self.responses = Counter("spanloom_control_responses", "Responses to agents.", registry=registry)
        self.refusals = Counter(
            "spanloom_control_refusals", "Responses that agents refused (NACK).", ("kind",), registry=registry
        )
        self.closed = Counter(
            "spanloom_control_closed_streams",
            "Streams closed by the control plane; reason is protocol, overloaded or identity.",
            ("reason",),
            registry=registry,
        )
        self.rollbacks = Counter(
            "spanloom_control_rollbacks",
            "Revisions that were rolled back; reason is refused, judged, late or asked.",
            ("reason",),
            registry=registry,
        )
        self.store_failures = Counter(
            "spanloom_control_store_failures",
            "Times that the store could not be reached for seconds; agents keep what they have.",
            registry=registry,
        )
        self.drafts = Gauge("spanloom_control_drafts", "Revisions that wait for somebody to decide.", registry=registry)
        self.draft_decisions = Counter(
            "spanloom_control_draft_decisions",
            "What became of drafts; decision is approved (each approval), released, rejected or expired.",
            ("decision",),
            registry=registry,
        )
        self.deliveries = Counter(
            "spanloom_control_deliveries",
            "Deliveries that ended; outcome is completed or rolled-back.",
            ("outcome",),
            registry=registry,
        )
        self.limit_requests = Counter(
            "spanloom_control_limit_requests",
            "Requests about limits of the fleet; result is let_in, over or unreadable.",
            ("result",),
            registry=registry,
        )
        self.limit_counters = Gauge(
            "spanloom_control_limit_counters", "Counters of limits of the fleet that are kept.", registry=registry
        )
        self.limit_evictions = Counter(
            "spanloom_control_limit_evictions",
            "Counters dropped for the bound before their window had passed; their keys started again at zero.",
            registry=registry,
        )
        self.reach_seconds = Histogram(
            "spanloom_control_reach_seconds",
            "From the release of a wave to its acknowledgement by an agent.",
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60),
            registry=registry,
        )
