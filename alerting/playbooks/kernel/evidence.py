"""Why a repair was thought right: what was seen of a service before, kept until an incident wants to quote it.

Fed by the owner of the environment as telemetry passes; after a crash it fills again from what is read again.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from processors.root_cause.sampled_trace import SampledTrace
    from telemetry.documents import Body
    from telemetry.findings import Anomaly, CulpritRanking

WINDOW = 120 * 10**9
"""What is older says nothing about now, ns."""

MAX_SERVICES = 1000
"""Past it the service that was seen last longest ago is evicted."""

CALLS_KEPT = 64
ANOMALIES_KEPT = 16
QUOTED = 5
"""Traces, and anomalies, that an incident quotes at most."""


@dataclass(slots=True)
class _Seen:
    calls: deque[tuple[int, bool, int, bytes]] = field(default_factory=lambda: deque(maxlen=CALLS_KEPT))
    anomalies: deque[Anomaly] = field(default_factory=lambda: deque(maxlen=ANOMALIES_KEPT))


class IncidentEvidence:
    """Remembers, by service, calls and anomalies of the last minutes, and the last ranking of culprits."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, _Seen] = OrderedDict()
        self._ranking: CulpritRanking | None = None

    def add_traces(self, traces: Iterable[SampledTrace]) -> None:
        """Remember the stays of requests in services."""
        for trace in traces:
            for visit in trace.visits:
                failed = any(event.is_failure for event in visit.events)
                end = visit.start + visit.duration
                self._of(visit.service).calls.append((end, failed, visit.duration, trace.trace_id))

    def add_anomaly(self, anomaly: Anomaly) -> None:
        """Remember what deviated."""
        self._of(anomaly.service).anomalies.append(anomaly)

    def add_ranking(self, ranking: CulpritRanking) -> None:
        """Remember who is suspected."""
        self._ranking = ranking

    def quote(self, service: str, now: int) -> Body:
        """What speaks for a repair of the service: its rank and the reasons for it, what deviates, and traces to look at.

        Traces are those that reasons and anomalies name, then failed calls, then the slowest.
        """
        since = now - WINDOW
        seen = self._seen.get(service, _Seen())
        newest = {anomaly.series: anomaly for anomaly in seen.anomalies if anomaly.end > since}  # of each series
        anomalies = sorted(newest.values(), key=lambda anomaly: -anomaly.score)[:QUOTED]
        calls = sorted((call for call in seen.calls if call[0] > since), key=lambda call: (call[1], call[2]), reverse=True)
        quoted: Body = {}
        traces: list[bytes] = []
        ranking = self._ranking.ranking if self._ranking is not None and self._ranking.time > since else ()
        for rank, suspect in enumerate(ranking, 1):
            if suspect.service == service:
                reasons = [evidence.text for evidence in suspect.evidence]
                quoted["ranking"] = {"rank": rank, "of": len(ranking), "score": suspect.score, "reasons": reasons}
                traces += [trace_id for evidence in suspect.evidence for trace_id in evidence.trace_ids]
                break
        for anomaly in anomalies:
            traces += anomaly.trace_ids
        traces += [call[3] for call in calls]
        quoted["anomalies"] = [
            {
                "series": anomaly.series.name,
                "labels": dict(anomaly.series.labels),
                "seen": anomaly.seen,
                "expected": anomaly.expected,
                "unit": anomaly.unit,
                "score": anomaly.score,
                "end": anomaly.end,
            }
            for anomaly in anomalies
        ]
        quoted["trace_ids"] = [trace_id.hex() for trace_id in dict.fromkeys(traces)][:QUOTED]
        return quoted

    def _of(self, service: str) -> _Seen:
        seen = self._seen.setdefault(service, _Seen())
        self._seen.move_to_end(service)
        if len(self._seen) > MAX_SERVICES:
            self._seen.popitem(last=False)
        return seen
