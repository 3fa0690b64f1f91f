"""The service graph as the metrics that Grafana's service graph and existing dashboards read.

Names, labels, units and buckets are those of the OpenTelemetry Collector's servicegraph connector and of Grafana Tempo:
counters `traces_service_graph_request_total`, `..._request_failed_total` and `..._unpaired_spans_total`, histograms
`..._request_client_seconds`, `..._request_server_seconds` and `..._request_messaging_system_seconds`, by `client`,
`server`, `connection_type` (empty, `messaging_system`, `database`, `virtual_node`) and, where one side sends no spans,
`virtual_node` (`client` or `server`). Calls of an environment that has a name have `deployment.environment.name` too, as those
get it by an additional dimension.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from processors.kernels.drawn import DrawnHops
from processors.series.cumulative import OVERFLOW, Counters, Histograms
from telemetry.call_graph import NodeKind
from telemetry.environment import DEFAULT_ENVIRONMENT
from telemetry.metrics import Metric, MetricType, Temporality
from telemetry.resource import Resource

if TYPE_CHECKING:
    from collections.abc import Iterable

    from processors.kernels.counted import LabelTexts, ServiceGraphSums
    from processors.kernels.protocol import Kernels
    from processors.series.cumulative import Labels, SeriesBudget
    from telemetry.call_graph import Hop

BOUNDS = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8)
"""Seconds: Tempo's."""

MAX_SERIES = 2000
"""Of one metric; what is beyond is counted together under `otel.metric.overflow`."""

_SECOND = 1_000_000_000
_PREFIX = "traces_service_graph_"


class ServiceGraphMetrics:
    """Counts each hop once, from `start` on; a trace that gets a late span does not count again.

    Args:
        start: when counting began, nanoseconds.
        resource: of the metrics.
        budget: of samples, shared with others.
        kernels: count the hops that they draw, if they do; without them Python does.
    """

    def __init__(
        self,
        start: int,
        resource: Resource | None = None,
        budget: SeriesBudget | None = None,
        kernels: Kernels | None = None,
    ) -> None:
        self._resource = resource or Resource()
        self._requests, self._failed, self._unpaired = (Counters(start, MAX_SERIES, budget) for _ in range(3))
        self._client, self._server, self._queue = (Histograms(start, MAX_SERIES, BOUNDS, budget) for _ in range(3))
        self._admitting = (self._requests, self._failed, self._unpaired, self._client, self._server, self._queue)
        # Where the core counts, it counts all, or sums of fractions would depend on who counted which.
        self._sums = kernels.service_graph_sums(BOUNDS, self._admit) if kernels else None

    def _admit(self, series: int, texts: LabelTexts) -> bool:
        return self._admitting[series].admit(_labels(texts))

    @property
    def samples(self) -> int:
        """Samples that count in the budget."""
        series = (self._requests, self._failed, self._unpaired, self._client, self._server, self._queue)
        return sum(one.samples for one in series)

    def add(self, hops: Iterable[Hop]) -> None:
        """Count hops. One with an unknown side is an unpaired span and no request."""
        if self._sums is not None:
            if isinstance(hops, DrawnHops):
                self._sums.add(hops.counted)
            else:
                for hop in hops:
                    _count(self._sums, hop)
            return
        for hop in hops:
            labels = labels_of(hop)
            if NodeKind.UNKNOWN in {hop.caller.kind, hop.callee.kind}:
                self._unpaired.add(labels)
                continue
            self._requests.add(labels)
            self._failed.add(labels, int(hop.failed))
            shown = hop.end, hop.trace_id, hop.server_span_id or hop.client_span_id
            if hop.client_duration is not None:
                self._client.record(labels, hop.client_duration / _SECOND, *shown)
            if hop.server_duration is not None:
                self._server.record(labels, hop.server_duration / _SECOND, *shown)
            if hop.queue_wait is not None:
                self._queue.record(labels, hop.queue_wait / _SECOND, *shown)

    def _load(self) -> None:
        if self._sums is None:
            return
        for counters, sums in zip((self._requests, self._failed, self._unpaired), self._sums.counters(), strict=True):
            counters.load({_of(texts): number for texts, number in sums})
        for histograms, series in zip((self._client, self._server, self._queue), self._sums.histograms(), strict=True):
            histograms.load((_of(texts), counts, total, dict(shown)) for texts, counts, total, shown in series)

    def metrics(self, time: int) -> list[Metric]:
        """The metrics at a time, cumulative; `processors.series.points.points_of` makes Prometheus' series of them."""
        self._load()
        resource = self._resource
        sums = [
            ("request_total", "Requests between two nodes", self._requests),
            ("request_failed_total", "Failed requests between two nodes", self._failed),
            ("unpaired_spans_total", "Calls of which only one side is known", self._unpaired),
        ]
        histograms = [
            ("request_client", "Time of a request as the client saw it", self._client),
            ("request_server", "Time of a request as the server saw it", self._server),
            ("request_messaging_system", "Time of a message between producer and consumer", self._queue),
        ]
        return [
            Metric(_PREFIX + name, MetricType.SUM, counters.points(time), resource, description=meaning,
                   temporality=Temporality.CUMULATIVE, monotonic=True)
            for name, meaning, counters in sums
        ] + [
            Metric(_PREFIX + name, MetricType.HISTOGRAM, series.points(time), resource, unit="s", description=meaning,
                   temporality=Temporality.CUMULATIVE)
            for name, meaning, series in histograms
        ]  # fmt: skip


def _count(sums: ServiceGraphSums, hop: Hop) -> None:
    is_unpaired = NodeKind.UNKNOWN in {hop.caller.kind, hop.callee.kind}
    durations = [
        None if time is None else time / _SECOND for time in (hop.client_duration, hop.server_duration, hop.queue_wait)
    ]
    client, server, queue = durations
    shown = hop.trace_id, hop.server_span_id or hop.client_span_id
    sums.count(_texts(hop), (is_unpaired, hop.failed), (client, server, queue), hop.end, shown)


def labels_of(hop: Hop) -> Labels:
    """The labels of a hop's series."""
    return _labels(_texts(hop))


def _texts(hop: Hop) -> LabelTexts:
    caller, callee = hop.caller, hop.callee
    kinds = {caller.kind, callee.kind}
    virtual = "server" if not hop.server_span_id else "client" if caller.kind is not NodeKind.SERVICE else ""
    if NodeKind.DATABASE in kinds:
        connection = "database"
    elif NodeKind.QUEUE in kinds or hop.queue_wait is not None:
        connection = "messaging_system"
    else:
        connection = "virtual_node" if virtual else ""
    return caller.name, connection, callee.name, hop.environment, virtual


def _of(texts: LabelTexts | None) -> Labels:
    return OVERFLOW if texts is None else _labels(texts)


def _labels(texts: LabelTexts) -> Labels:
    client, connection, server, environment, virtual = texts
    labels: Labels = (("client", client), ("connection_type", connection), ("server", server))
    if environment != DEFAULT_ENVIRONMENT:
        labels = (labels[0], labels[1], ("deployment.environment.name", environment), labels[2])
    return (*labels, ("virtual_node", virtual)) if virtual else labels
