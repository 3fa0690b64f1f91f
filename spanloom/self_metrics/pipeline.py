"""Metrics of the pipeline at /metrics, read from its counters at each scrape."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from spanloom.self_metrics.exposition import families

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

    from alerting.notify.forward import AlertForwarder
    from alerting.stored_samples.recorder import SampleRecorder
    from pipeline.act import ActStage
    from pipeline.acting.heartbeat import Heartbeat
    from pipeline.acting.settings import AlertingSettings
    from pipeline.assemble import AssembleStage
    from pipeline.dead_letters.limits import DeadLetters
    from pipeline.delivery.document_writer import DocumentWriter
    from pipeline.delivery.offset_tracker import OffsetTracker
    from pipeline.exchange.environment_topic import EnvironmentTopic
    from pipeline.incoming import RekeyCounts
    from pipeline.runtime.lag import Lag
    from pipeline.runtime.stall import StallWatch
    from pipeline.score import ScoreStage
    from processors.kernels.protocol import Kernels
    from spanloom.self_metrics.timings import Timings
    from stores.store import Store


OLD = " (old name, until the next release)"
_LIMITED = "Items excluded from analysis because a limit was reached"
_IN_FLIGHT = "Records delivered whose offset is not committed yet"


class Measured(Protocol):
    """The parts of a pipeline whose counters are given out."""

    act: ActStage | None
    alerting: AlertingSettings | None
    heartbeat: Heartbeat | None
    kernels: Kernels
    recorder: SampleRecorder | None
    assemble: AssembleStage | None
    dead: DeadLetters
    lag: Lag
    offsets: dict[str, OffsetTracker]
    rekeyed: RekeyCounts
    score: ScoreStage | None
    signals: EnvironmentTopic
    stalls: StallWatch
    store: Store
    timings: Timings
    writer: DocumentWriter

    @property
    def deleted_unread(self) -> dict[str, int]:
        """Offsets, by topic, that were deleted from the log before they were read."""
        ...

    @property
    def rereads(self) -> int:
        """How often records were read again, for one before them had not come."""
        ...


class PipelineMetrics:
    """A collector of the registry."""

    def __init__(self, pipeline: Measured, registry: CollectorRegistry) -> None:
        self._pipeline = pipeline
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Every counter and gauge as it stands."""
        rekeyed, alerting, score = self._pipeline.rekeyed, self._pipeline.alerting, self._pipeline.score
        marks, withheld = alerting.counts.marks if alerting else {}, score.withheld if score else {}
        for name, (meaning, value) in self.counters().items():
            metric = CounterMetricFamily(f"spanloom_{name}", meaning)
            metric.add_metric([], value)
            yield metric
        for name, meaning, label, counts in (
            ("spanloom_untimed_items", "Items without a time, which got that of their arrival", "signal", rekeyed.untimed),
            ("spanloom_empty_records", "Producers' records without an item that is known", "reason", rekeyed.empty),
            ("spanloom_marks", "Anomalies and rankings that people marked", "verdict", marks),
            ("spanloom_anomalies_withheld", "Anomalies not reported because people marked such ones", "verdict", withheld),
        ):
            metric = CounterMetricFamily(name, meaning, labels=[label])
            for which, count in counts.items():
                metric.add_metric([which], count)
            yield metric
        yield from _of_kernels(self._pipeline.kernels)
        yield from self._pipeline.timings.collect()
        yield from self._of_partitions()
        yield from self._store()
        dropped = self.dropped()
        for name, label in (("spanloom_dropped", "reason"), ("spanloom_left_out", "what")):
            metric = CounterMetricFamily(name, _LIMITED + OLD * (label == "what"), labels=[label])
            for reason, count in dropped.items():
                metric.add_metric([reason], count)
            yield metric
        if self._pipeline.assemble is not None:
            yield from families(self._pipeline.assemble.metrics())
        if self._pipeline.alerting is not None:
            unmatched = GaugeMetricFamily(
                "spanloom_patterns_unmatched", "Patterns of the configuration that match no file", labels=["files"]
            )
            for kind, live in self._pipeline.alerting.files.items():
                unmatched.add_metric([kind], live.unmatched)
            yield unmatched
            if self._pipeline.alerting.forwarder is not None:
                yield from _of_forwarding(self._pipeline.alerting.forwarder)

    def memory(self) -> dict[str, int]:
        """Bytes of memory by what holds them, of what has a bound in bytes."""
        pipeline = self._pipeline
        found = {f"{name}_records": offsets.in_flight_bytes for name, offsets in pipeline.offsets.items()}
        return found | (pipeline.assemble.memory_by_holder() if pipeline.assemble is not None else {})

    def _of_partitions(self) -> Iterator[Metric]:
        """How far reading and committing are."""
        for metric in ("spanloom_in_flight_records", "spanloom_held_records"):
            in_flight = GaugeMetricFamily(metric, _IN_FLIGHT + OLD * ("held" in metric), labels=["agent"])
            for name, offsets in self._pipeline.offsets.items():
                in_flight.add_metric([name], offsets.in_flight)
            yield in_flight
        memory = GaugeMetricFamily("spanloom_memory_bytes", "Memory by what holds it: see docs/memory.md", labels=["holder"])
        for holder, size in self.memory().items():
            memory.add_metric([holder], size)
        yield memory
        if self._pipeline.recorder is not None:
            yield GaugeMetricFamily(
                "spanloom_stored_samples_waiting", "Samples that are not stored yet", self._pipeline.recorder.waiting
            )
        delivered = CounterMetricFamily(
            "spanloom_records", "Records delivered; redelivered records count again", labels=["agent"]
        )
        for name, offsets in self._pipeline.offsets.items():
            delivered.add_metric([name], offsets.delivered)
        yield delivered
        lag = GaugeMetricFamily(
            "spanloom_lag_records", "Records of this worker's partitions not committed yet", labels=["topic"]
        )
        for topic, records in self._pipeline.lag.by_topic().items():
            lag.add_metric([topic], records)
        yield lag
        paused = GaugeMetricFamily(
            "spanloom_paused_partition_offset",
            "Offset at which a partition is paused because too many records are unusable",
            labels=["topic", "partition"],
        )
        for tp, offset in self._pipeline.dead.paused.items():
            paused.add_metric([tp.topic, str(tp.partition)], offset)
        yield paused
        stalled = GaugeMetricFamily(
            "spanloom_stalled_partition_offset",
            "Where a partition stands still although there is more to read",
            labels=["topic", "partition", "cause"],
        )
        for tp, stall in self._pipeline.stalls.stalled.items():
            stalled.add_metric([tp.topic, str(tp.partition), stall.cause.value], stall.offset)
        yield stalled
        deleted = CounterMetricFamily(
            "spanloom_records_deleted_unread", "Offsets deleted from the log before they were read", labels=["topic"]
        )
        for topic, records in self._pipeline.deleted_unread.items():
            deleted.add_metric([topic], records)
        yield deleted

    def _store(self) -> Iterator[Metric]:
        """Whether the store answers, and what it cost where it did not."""
        availability = self._pipeline.writer.availability
        up = GaugeMetricFamily("spanloom_store_up", "Whether the store answers: 0 while all that need it wait")
        up.add_metric([], not availability.down)
        yield up
        yield CounterMetricFamily("spanloom_store_probes", "Probes of a store that did not answer", value=availability.probes)
        retried = CounterMetricFamily(
            "spanloom_store_requests_retried",
            "Requests retried because the store did not answer, by operation",
            labels=["operation"],
        )
        for operation, count in availability.retries.items():
            retried.add_metric([operation], count)
        yield retried
        refused = GaugeMetricFamily(
            "spanloom_store_refused_documents_waiting",
            "Documents that wait because the store refuses too many of their kind: the log says why",
            labels=["kind"],
        )
        for kind, count in self._pipeline.writer.refused_waiting.items():
            refused.add_metric([kind.value], count)
        yield refused
        unmapped = CounterMetricFamily(
            "spanloom_store_unmapped",
            "Documents, in part or whole, and new attribute names that the store could not index and only keeps",
            labels=["what"],
        )
        for what, count in self._pipeline.store.counters().items():
            unmapped.add_metric([what], count)
        yield unmapped

    def dropped(self) -> dict[str, int]:
        """What the analysis could not keep or came too late for it, by kind."""
        pipeline = self._pipeline
        total: Counter[str] = Counter()
        for part in (pipeline.rekeyed, pipeline.signals, pipeline.assemble, pipeline.score, pipeline.act):
            if part is not None:
                total.update(part.dropped)
        return total

    def counters(self) -> dict[str, tuple[str, float]]:
        """Name -> meaning and value."""
        pipeline = self._pipeline
        writer = pipeline.writer.counts
        found: dict[str, tuple[str, float]] = {
            "documents_created": ("Documents stored", writer.created),
            "documents_existing": ("Documents that were stored already", writer.existing),
            "documents_rejected": ("Documents rejected permanently by the store", writer.rejected),
            "documents_offered_again": ("Retries of documents that the store refuses", writer.retried),
            "store_retries": (
                "Requests retried because the store did not answer, of all operations",
                pipeline.writer.availability.retries.total(),
            ),
            "dead_letters": ("Records sent to the dead letters", pipeline.dead.sent),
            "records_read_again": ("Times records were read again because of a gap in their offsets", pipeline.rereads),
            "spans_truncated": ("Spans truncated to fit a record", pipeline.rekeyed.truncated),
            "texts_replaced": (
                "Texts of producers' records that are no Unicode, with U+FFFD for it",
                pipeline.rekeyed.replaced,
            ),
        }
        if pipeline.assemble is not None:
            counts = pipeline.assemble.counts
            found |= {
                "spans_received": ("Spans received by the assemble stage", counts.spans),
                "traces": ("Traces closed and stored for the first time", counts.traces),
                "traces_cut": ("Traces closed early by a limit", counts.closed_early),
                "traces_crowded": ("Traces closed early to make room in memory", counts.crowded),
                "traces_merged": ("Closed traces merged with an earlier revision", counts.merged),
                "edge_corrections": ("Edge documents that correct others", counts.corrections),
                "messages_joined": ("Span links between traces that were resolved", pipeline.assemble.messages.answered),
                "messages_unseen": (
                    "Span links between traces whose sender was not found in time",
                    pipeline.assemble.messages.unseen,
                ),
                "links_ignored": (
                    "Span links that name no span (zeros) or the span that has them",
                    pipeline.assemble.messages.ignored,
                ),
                "logs_joined": ("Log records that named a trace", counts.logs),
            }
        if pipeline.score is not None:
            found |= {
                "points_scored": ("Points of series scored", pipeline.score.counts.points),
                "anomalies": ("Anomalies found", pipeline.score.counts.anomalies),
            }
        if pipeline.act is not None:
            found |= {
                "rankings": ("Rankings of culprits made", pipeline.act.counts.rankings),
                "rankings_explained": (
                    "Rankings suppressed because a running repair explains them",
                    pipeline.act.counts.explained,
                ),
                "points_too_new": ("Points stamped too far ahead of the clock", pipeline.act.counts.points_too_new),
                "answers_dropped": ("Approval answers dropped because too many wait", pipeline.act.counts.answers_dropped),
            }
        if pipeline.alerting is not None:
            found |= _of_alerting(pipeline.alerting)
        if pipeline.recorder is not None:
            found |= _of_samples(pipeline.recorder)
        if pipeline.heartbeat is not None:
            found |= {
                "heartbeats_sent": ("Heartbeats that the dead man's switch accepted", pipeline.heartbeat.counts["sent"]),
                "heartbeats_failed": (
                    "Heartbeats that the dead man's switch did not accept",
                    pipeline.heartbeat.counts["failed"],
                ),
            }
        return found


def _of_kernels(kernels: Kernels) -> Iterator[Metric]:
    """Which kernels run, and how much of the work the native ones did."""
    yield GaugeMetricFamily(
        "spanloom_native_core",
        "Whether the native core is used; without it the kernels are those in Python",
        kernels.name == "native",
    )
    inputs = CounterMetricFamily(
        "spanloom_kernel_inputs",
        "Inputs of kernels by what did them: what the native core handed back or panicked at was done in Python",
        labels=["kernel", "by"],
    )
    for (kernel, way), count in sorted(kernels.counts.items()):
        inputs.add_metric([kernel, way], count)
    yield inputs


def _of_forwarding(forwarder: AlertForwarder) -> Iterator[Metric]:
    """What became of the alerts for each Alertmanager, as a Prometheus counts its notifications."""
    counts = forwarder.counts
    for name, meaning in (
        ("sent", "Alerts sent to an Alertmanager, and accepted"),
        ("errors", "Alerts in requests to an Alertmanager that failed"),
        ("dropped", "Alerts that were gone before the Alertmanager could be reached"),
    ):
        metric = CounterMetricFamily(f"spanloom_alertmanager_{name}", meaning, labels=["alertmanager"])
        for url, each in counts.items():
            metric.add_metric([url], getattr(each, name))
        yield metric
    waiting = GaugeMetricFamily("spanloom_alertmanager_waiting", "Alerts that wait to be sent", labels=["alertmanager"])
    for url, each in counts.items():
        waiting.add_metric([url], each.waiting)
    yield waiting


def _of_samples(recorder: SampleRecorder) -> dict[str, tuple[str, int]]:
    """Counters of the way into the store of samples."""
    counts, stored = recorder.counts, recorder.store.counters()
    return {
        "stored_samples": ("Samples written to the store of samples", stored.written),
        "stored_samples_existing": ("Samples that the store of samples had already", stored.existing),
        "stored_samples_too_old": ("Samples older than raw samples are kept in the store", stored.too_old),
        "stored_samples_refused": ("Samples of series beyond the bounds of the store of samples", stored.refused),
        "stored_series_refused": (
            "New series beyond the bounds of the store of samples, each time they came",
            stored.series_refused,
        ),
        "stored_samples_dropped": ("Samples not stored because too many wait for the store", counts.dropped),
        "sample_flushes": ("Batches of samples that were stored", counts.flushes),
        "sample_flushes_failed": ("Batches of samples that the store did not take, each time", counts.failed_flushes),
        "sample_rollups": ("Buckets of samples rolled up, corrected ones again", stored.rolled_up),
    }


def _of_alerting(settings: AlertingSettings) -> dict[str, tuple[str, float]]:
    """Counters of all environments of this process together. One that it let go of counts no more: as after a restart."""
    every = settings.environments.values()
    samples = [each.engine.samples.counts for each in every]
    return {
        "alert_changes": ("Alerts that changed their state", settings.counts.alert_changes),
        "notifications": ("Notifications handed to receivers", settings.counts.notifications),
        "notifications_delivered": ("Notifications delivered", sum(each.sender.counts.delivered for each in every)),
        "notifications_failed": ("Notifications that failed permanently", sum(each.sender.counts.failed for each in every)),
        "files_refused": (
            "Changed rules, playbooks or receivers that could not be used",
            settings.counts.files_refused,
        ),
        "templates_failed": ("Texts of notifications sent by default as their template failed", settings.texts.failed),
        "repair_actions_done": (
            "Actions of playbooks that were done",
            sum(each.runner.counts["runs_done"] for each in every),
        ),
        "repair_actions_failed": (
            "Actions of playbooks that failed",
            sum(each.runner.counts["runs_failed"] for each in every),
        ),
        "repair_alerts_ignored": (
            "Alerts beyond the bound of self-healing",
            sum(each.runner.healer.firing.ignored for each in every),
        ),
        "rule_evaluations": ("Rule evaluations", sum(each.engine.counts.evaluations for each in every)),
        "rule_evaluation_seconds": ("Seconds that evaluations of rules took", settings.counts.rule_seconds),
        "rule_backtests": ("Backtests of rules that were asked for over HTTP", settings.counts.backtests.asked),
        "rule_backtests_refused": (
            "Backtests that were asked wrongly or for too much",
            settings.counts.backtests.refused,
        ),
        "rule_backtests_ended": (
            "Backtests that took too long, or that nobody waited for any more",
            settings.counts.backtests.ended_early,
        ),
        "rule_failures": ("Rule evaluations that failed", sum(each.engine.counts.failures for each in every)),
        "samples_too_old": ("Samples older than those that rules may read", sum(each.too_old for each in samples)),
        "samples_conflicting": (
            "Samples of a series and time that had another value already",
            sum(each.conflicting for each in samples),
        ),
        "samples_refused": (
            "Samples of series beyond the bound of the rules' memory",
            sum(each.too_many_series for each in samples),
        ),
        "samples_refused_of_sender": (
            "Samples of series beyond the bound on those of one sender",
            sum(each.of_one_sender for each in samples),
        ),
        "rules_missed": (
            "Evaluations of a rule group that were skipped",
            sum(each.engine.counts.missed for each in every),
        ),
        "alerts_refused": (
            "Alerts rejected because too many fire",
            sum(each.alertmanager.alert_store.refused for each in every),
        ),
    }
