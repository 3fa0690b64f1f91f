"""Whether so many failures among so many calls are to be expected of a service, and who fails more than that."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import TYPE_CHECKING

from pydantic import Field

from components.component import ComponentKind, Stability
from processors.detectors.detector import Detector, DetectorComponent, DetectorConfig, Source
from processors.detectors.rarity.surprise import surprise_of_share
from processors.detectors.streaming import Scored, score_of
from telemetry.call_graph import NodeKind
from telemetry.environment import DEFAULT_ENVIRONMENT, with_environment
from telemetry.errors import InputError
from telemetry.findings import Anomaly, AnomalyKind
from telemetry.metrics import Series
from telemetry.resource import service_labels
from telemetry.sentences.wording import Wording

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from telemetry.call_graph import Edge
    from telemetry.json_object import JsonObject

PRIOR = (0.5, 20.0)
"""Failures and calls imagined before anything was seen: a new service fails now and then."""

MEMORY = 5000.0
"""Calls remembered; older ones fade, so that a rate that has really changed becomes the usual one."""

SLOWEST = 0.02
"""What a window counts for in what is usual when it was itself surprising: an incident must not become normal at once."""

LEAST_RATIO = 0.05
"""A share of failures below this is no anomaly worth a person's time, however certain."""

_SNAPSHOT_VERSION = 1

_Callee = tuple[str, str]
"""A service and its environment."""


class FailureRate:
    """The usual share of failures, and how surprising a window's failures are.

    The share is Beta distributed after what was seen, so a window's failures are Beta-binomial: 8 of 16 where 0 of 500
    failed before is certain to be news, 1 of 2 is not. Ratios alone cannot tell the two apart.
    """

    def __init__(self) -> None:
        self._failures, self._calls = PRIOR

    def update(self, failures: int, calls: int) -> Scored:
        """Score a window and learn it."""
        expected = self._failures / self._calls
        seen = failures / calls
        surprise = 0.0
        if seen > expected:
            surprise = surprise_of_share(failures, calls, self._failures, self._calls - self._failures)
        score = score_of(surprise)
        weight = 1.0 if score < 0.5 else SLOWEST
        self._failures += weight * failures
        self._calls += weight * calls
        if self._calls > MEMORY:
            fade = MEMORY / self._calls
            self._failures, self._calls = self._failures * fade, MEMORY
        spread = math.sqrt(expected * (1 - expected) / calls)
        why = Wording.CALLS_FAILED(failed=failures, calls=calls, usual=f"{expected:.1%}")
        return Scored(score, surprise, expected, spread, why)

    def snapshot(self) -> JsonObject:
        """Plain data for `restore`."""
        return {"version": _SNAPSHOT_VERSION, "failures": self._failures, "calls": self._calls}

    def restore(self, snapshot: JsonObject) -> None:
        """Take the state of a snapshot.

        Raises:
            InputError: the snapshot has another version.
        """
        if snapshot.get("version") != _SNAPSHOT_VERSION:
            raise InputError(f"failures: snapshot version {snapshot.get('version')!r}, this release reads {_SNAPSHOT_VERSION}")
        self._failures, self._calls = snapshot["failures"], snapshot["calls"]


class ErrorRateDetectorConfig(DetectorConfig):
    """From where on failing is an anomaly."""

    min_ratio: float = Field(
        default=LEAST_RATIO, ge=0, le=1, description="Share of failures in a window below which there is no anomaly."
    )


class ErrorRateDetector(Detector["Sequence[Edge]"]):
    """A failure rate of each of at most `max_services` services; the one silent longest is evicted first, and counted."""

    source = Source.EDGE_WINDOWS
    saved_as = "failures"

    def __init__(self, config: ErrorRateDetectorConfig | None = None, *, max_services: int = 5000) -> None:
        self._config = config or ErrorRateDetectorConfig()
        self.min_score = self._config.min_score
        self._max = max_services
        self._rates: OrderedDict[_Callee, FailureRate] = OrderedDict()
        self.evicted = 0

    def consume(self, items: Sequence[Sequence[Edge]], now: int) -> list[Anomaly]:
        """Score windows, one after the other."""
        del now
        return [anomaly for window in items for anomaly in self.add(window)]

    def dropped(self) -> Mapping[str, int]:
        """Services over the bound."""
        return {"services": self.evicted}

    def add(self, edges: Iterable[Edge]) -> list[Anomaly]:
        """Score the calls that each service received in one window; returns the anomalies."""
        windows: dict[_Callee, list[Edge]] = {}
        for edge in edges:
            if edge.key.callee.kind is NodeKind.SERVICE and edge.calls > 0:
                windows.setdefault((edge.key.callee.name, edge.key.environment), []).append(edge)
        anomalies = []
        for callee, calls in sorted(windows.items()):
            total, failed = sum(edge.calls for edge in calls), sum(edge.failures for edge in calls)
            scored = self._rate(callee).update(failed, total)
            if scored.score >= self._config.min_score and failed >= self._config.min_ratio * total:
                anomalies.append(_anomaly(callee, calls, failed / total, scored))
        return anomalies

    def _rate(self, callee: _Callee) -> FailureRate:
        rate = self._rates.setdefault(callee, FailureRate())
        self._rates.move_to_end(callee)
        if len(self._rates) > self._max:
            self._rates.popitem(last=False)
            self.evicted += 1
        return rate

    def snapshot(self) -> JsonObject:
        """Plain data for `restore`. Services of the default environment are where 0.2.0 has them, and finds them again."""
        rates: dict[str, list[tuple[str, FailureRate]]] = {DEFAULT_ENVIRONMENT: []}
        for (name, environment), rate in self._rates.items():
            rates.setdefault(environment, []).append((name, rate))
        states = {environment: [[name, rate.snapshot()] for name, rate in of] for environment, of in rates.items()}
        return {"version": _SNAPSHOT_VERSION, "services": states.pop(DEFAULT_ENVIRONMENT), "environments": states}

    def restore(self, snapshot: JsonObject) -> None:
        """Take the state of a snapshot instead of the present one.

        Raises:
            InputError: the snapshot has another version.
        """
        if snapshot.get("version") != _SNAPSHOT_VERSION:
            raise InputError(f"failures: snapshot version {snapshot.get('version')!r}, this release reads {_SNAPSHOT_VERSION}")
        self._rates.clear()
        for environment, services in {DEFAULT_ENVIRONMENT: snapshot["services"], **snapshot.get("environments", {})}.items():
            for name, state in services:
                self._rates[name, environment] = rate = FailureRate()
                rate.restore(state)


def _anomaly(callee: _Callee, edges: list[Edge], seen: float, scored: Scored) -> Anomaly:
    service, environment = callee
    worst = max(edges, key=lambda edge: (edge.failures, edge.key))
    return Anomaly(
        AnomalyKind.ERRORS,
        Series("spanloom_service_error_ratio", with_environment(service_labels(service), environment)),
        service,
        edges[0].start,
        edges[0].start + edges[0].width,
        scored.score,
        scored.expected,
        seen,
        "1",
        Wording.CALLS_FAILED_MOST(
            failed=scored.why, caller=worst.key.caller.name, service=service, operation=worst.key.operation
        ),
        operation=worst.key.operation,
        environment=environment,
        trace_ids=worst.failed_traces,
    )


ERROR_RATE = DetectorComponent(
    kind=ComponentKind.DETECTOR,
    name="error_rate",
    config=ErrorRateDetectorConfig,
    build=lambda config, _: ErrorRateDetector(config),
    summary="Services whose calls fail more often than is usual of them.",
    stability=Stability.STABLE,
)
