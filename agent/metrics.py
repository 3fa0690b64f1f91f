"""What the agent counts about itself. Envoy's own metrics go to the collector."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


class AgentMetrics:
    """Counters and gauges of guard, relay and interception."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.envoy_ready = Gauge("spanloom_agent_envoy_ready", "1 while Envoy says that it is ready.", registry=registry)
        self.envoy_starts = Counter("spanloom_agent_envoy_starts", "Starts of Envoy.", registry=registry)
        self.envoy_ends = Counter(
            "spanloom_agent_envoy_ends",
            "Ends of Envoy that nobody asked for; reason is exit, signal, unhealthy or start.",
            ("reason",),
            registry=registry,
        )
        self.upgrades = Counter(
            "spanloom_agent_envoy_upgrades",
            "Envoys that were asked to take over from the one before; result is done or failed.",
            ("result",),
            registry=registry,
        )
        self.log_lines = Counter(
            "spanloom_agent_envoy_log_lines",
            "Lines of Envoy's log; result is passed_on, shortened or dropped.",
            ("result",),
            registry=registry,
        )
        self.control_connected = Gauge(
            "spanloom_agent_control_connected", "1 while the control plane's stream is open.", registry=registry
        )
        self.control_failures = Counter(
            "spanloom_agent_control_failures",
            "Streams to the control plane that ended or could not be opened.",
            registry=registry,
        )
        self.responses = Counter(
            "spanloom_agent_responses",
            "Responses of the control plane; result is accepted, refused, unchanged or unreadable.",
            ("result",),
            registry=registry,
        )
        self.own_refused = Counter(
            "spanloom_agent_own_resources_refused",
            "Resources of the agent's own configuration, or of its last good snapshot, that Envoy refused.",
            registry=registry,
        )
        self.last_good_failures = Counter(
            "spanloom_agent_last_good_failures", "Snapshots that could not be written to disk.", registry=registry
        )
        self.faults_ended = Counter(
            "spanloom_agent_faults_ended", "Injected faults that ended because their time was up.", registry=registry
        )
        self.sessions_refused = Counter(
            "spanloom_agent_sessions_refused", "Streams of Envoys beyond the bound of the relay.", registry=registry
        )
        self.limit_questions = Counter(
            "spanloom_agent_limit_questions",
            "Questions of Envoy about limits of the fleet; unless answered, the request passed. "
            "Result is answered, unanswered or unasked.",
            ("result",),
            registry=registry,
        )
        self.workload_calls = Counter(
            "spanloom_agent_workload_calls",
            "Calls of the Workload API; result is served, no_header, too_many, unavailable or unread.",
            ("result",),
            registry=registry,
        )
        self.identities = Counter(
            "spanloom_agent_identities",
            "Identities that came for workloads; result is used or refused.",
            ("result",),
            registry=registry,
        )
        self.identity_failures = Counter(
            "spanloom_agent_identity_failures",
            "Streams of identities that ended or could not be opened.",
            registry=registry,
        )
        self.identity_expires = Gauge(
            "spanloom_agent_identity_expires_seconds",
            "When the newest certificate of a service ends, since the epoch.",
            ("service",),
            registry=registry,
        )
        self.intercepting = Gauge(
            "spanloom_agent_intercepting", "1 while the rules of interception are set.", registry=registry
        )
        self.intercept_failures = Counter(
            "spanloom_agent_intercept_failures", "Rules that could not be set, or vanished.", registry=registry
        )
