"""What closed traces give later stages beside hops and edges: a sample of themselves, counters, and clock skew."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from pipeline.exchange import partitions
from pipeline.exchange.batch_sender import BatchSender
from pipeline.exchange.codec import BatchKind
from pipeline.exchange.learning import encode_traces
from processors.assembly.watermark import SECOND
from processors.call_graph.clock_skew import ClockSkew
from processors.kernels.drawn import DrawnHops
from processors.root_cause.sampled_trace import sampled_trace
from processors.root_cause.sampling import TraceSample
from processors.root_cause.trace_memory import rank_of
from processors.series.points import points_of
from processors.series.service_graph import ServiceGraphMetrics
from processors.series.span_metrics import SpanMetrics
from telemetry.documents.signals import metric_document
from telemetry.metrics import DataPoint, Metric, MetricType
from telemetry.resource import Resource

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

    from pipeline.exchange.environment_topic import EnvironmentTopic
    from pipeline.record import OutputTopic
    from processors.assembly.assembler import OpenTrace
    from processors.assembly.reconcile import Publication
    from processors.kernels.protocol import Kernels
    from processors.root_cause.sampled_trace import SampledTrace
    from processors.series.cumulative import SeriesBudget
    from telemetry.documents import Document

SAMPLE_WIDTH, SAMPLE_SIZE = 10 * SECOND, 60
"""The traces that shapes and culprits are learned from, of each partition: as many as their memory keeps in all."""

SPAN_METRICS_EVERY = 15 * SECOND
"""Event time between two readings of the span metrics by rules: what Prometheus' users take for scraping."""

SKEW_EVERY = 60 * SECOND
"""Event time between two estimates of clock skew: clocks drift by milliseconds a minute at most."""

MAX_SKEWS = 500
"""Pairs of hosts whose skew is sent: 0.05 ms each."""


class TraceTelemetry:
    """Counts and samples the traces of one partition.

    Args:
        partition: distinguishes its counters from those of others.
        start: when counting begins, nanoseconds: again after a crash, as Prometheus expects of a process that restarts.
        series: the topic of stage 3.
        signals: the way to stage 4.
        budget: of samples of the counters, shared by all partitions.
        kernels: count what they draw; without them Python does.
    """

    def __init__(
        self,
        partition: int,
        start: int,
        series: OutputTopic,
        signals: EnvironmentTopic,
        budget: SeriesBudget | None = None,
        kernels: Kernels | None = None,
    ) -> None:
        self._series, self._signals = series, signals
        self._instance = f"partition-{partition}"
        self._resource = Resource({"service.name": "spanloom", "service.instance.id": self._instance})
        self._graph = ServiceGraphMetrics(start, self._resource, budget, kernels)
        self._spans = SpanMetrics(start, self._instance, budget)
        self._skew = ClockSkew()
        self._sample = TraceSample(SAMPLE_WIDTH, SAMPLE_SIZE)
        self._spans_sent_at = self._skew_sent_at = 0
        self._dropped: Counter[str] = Counter()  # traces too large for a record, and so for the sample
        self._traces = BatchSender(series, BatchKind.TRACES, encode_traces, self._dropped)

    @property
    def samples(self) -> int:
        """Samples that count in the budget."""
        return self._graph.samples + self._spans.samples

    @property
    def dropped(self) -> dict[str, int]:
        """What the bounds have cost so far."""
        return {
            "skew_pairs": self._skew.refused,
            "skew_late": self._skew.ignored,
            "span_metrics_overflow": self._spans.overflow,
            "large_traces": self._dropped[f"large_{BatchKind.TRACES}"],
        }

    def count(self, publication: Publication, now: int) -> None:
        """Count what a trace adds to what was stored of it before; only a new one counts in the service graph."""
        self._spans.add(publication.new_spans)
        if publication.merged:
            return
        hops = publication.graph.hops
        self._graph.add(hops)
        if isinstance(hops, DrawnHops):
            for said in hops.counted.clocks():
                self._skew.learn(*said, now)
        else:
            for hop in hops:
                self._skew.add(hop, now)

    def metrics(self, time: int) -> list[Metric]:
        """The counters and the clock skew as they stand, for who scrapes them."""
        return [*self._graph.metrics(time), *self._spans.metrics(time), *self._skew_metrics(time)]

    async def send_sample(self, traces: Iterable[tuple[OpenTrace, Publication]]) -> None:
        """Send a sample of traces to where shapes are learned, those of one root to one partition.

        A trace that fills more than a record is dropped: it would be compared in parts, as if it were several.
        A trace that got a late part is not shown there a second time; the search for culprits gets it, whole.
        """
        sample: dict[int, list[SampledTrace]] = {}
        grown: list[SampledTrace] = []
        # The least digest first: of the traces that close together only those are sent that stay in the sample.
        for trace, publication in sorted(traces, key=lambda closed: rank_of(closed[0].trace_id)):
            spans, graph = publication.spans, publication.graph
            if not spans or not self._sample.keeps(trace.trace_id, min(span.start for span in spans)):
                continue
            if publication.merged:
                grown.append(sampled_trace(spans))
            else:
                partition = partitions.of_service(graph.root_service, graph.environment, self._series.partitions)
                sample.setdefault(partition, []).append(sampled_trace(spans))
        sent: list[Awaitable[object]] = [*self._signals.send_all(BatchKind.TRACES, grown)]
        sent += [self._traces.send(partition, whole) for partition, whole in sample.items()]
        await asyncio.gather(*sent)

    async def send_metrics(self, time: int) -> list[Document]:
        """Let rules see the counters at an event time; returns the estimates of clock skew, where one is due, to store."""
        metrics = self._graph.metrics(time)
        if time - self._spans_sent_at >= SPAN_METRICS_EVERY:
            self._spans_sent_at = time
            metrics += self._spans.metrics(time)
        skew: list[Metric] = []
        if time - self._skew_sent_at >= SKEW_EVERY:
            self._skew_sent_at = time
            self._skew.advance(time)
            skew = self._skew_metrics(time)
        points = [point for metric in (*metrics, *skew) for point in points_of(metric)]
        await asyncio.gather(*self._signals.send_all(BatchKind.POINTS, points))
        return [metric_document(metric, point) for metric in skew for point in metric.points]

    def _skew_metrics(self, time: int) -> list[Metric]:
        """How far the second host's clock is behind the first's, and how far that may be off, in seconds."""
        offsets, errors = [], []
        for host, other in self._skew.pairs()[:MAX_SKEWS]:
            skew = self._skew.estimate(host, other)
            if skew is not None:
                pair = {"host": host, "other": other}
                offsets.append(DataPoint(time, attributes=pair, value=skew.offset / SECOND))
                errors.append(DataPoint(time, attributes=pair, value=skew.error / SECOND))
        if not offsets:
            return []
        return [
            Metric("spanloom.clock.skew", MetricType.GAUGE, tuple(offsets), self._resource, unit="s",
                   description="How far the clock of `other` is behind that of `host`"),
            Metric("spanloom.clock.skew.error", MetricType.GAUGE, tuple(errors), self._resource, unit="s",
                   description="By how much the skew may be off"),
        ]  # fmt: skip
