"""What alerts and repairs, in the order in which it works: rules, notifications, playbooks, and their durable state.

Rules and repairs follow the time of the telemetry. Silences, the waits of groups and what else is between us and humans
follow the clock: it goes on when no telemetry comes, and posted alerts are notified as well.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from alerting.alert_state import AlertState
from alerting.playbooks.api.approval import Approvals
from alerting.playbooks.notices import RepairAlerts
from alerting.playbooks.runner import PlaybookRunner
from alerting.stored_samples.recorder import NEVER
from pipeline.acting.approvals import sign_by_kept_key
from pipeline.delivery.background_writer import PromptWriter
from pipeline.state.restoring import needed
from telemetry.errors import OverloadedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from alerting.alert_state import AlertChange
    from alerting.alertmanager.config import AlertmanagerConfig
    from alerting.alertmanager.manager import Alertmanager
    from alerting.notify.notification import Notifier
    from alerting.notify.sender import Sender
    from alerting.playbooks.kernel.healer import Healer
    from alerting.playbooks.kernel.messages import Notice
    from alerting.rules.engine import AlertEngine
    from alerting.stored_samples.history import StoredHistory
    from alerting.stored_samples.recorder import SampleJournal
    from pipeline.acting.config import AlertingCounts
    from pipeline.delivery.document_writer import DocumentWriter
    from pipeline.state.table import StageTable
    from telemetry.documents import Body, Document
    from telemetry.findings import Anomaly

log = structlog.get_logger(__name__)

OFFER_INTERVAL = 10_000_000_000
"""Nanoseconds between checks of what fires all along: its texts may be others now, or there was no room for it."""

SAVE_EVERY = 10_000_000_000
"""Nanoseconds between two saves though nothing changed: after a crash rules go on from there, on samples read again."""


@dataclass(frozen=True, slots=True)
class Advanced:
    """What came of letting time pass: documents to store, and the alerts that began to fire."""

    documents: list[Document]
    firing: list[AlertChange]


class Alerting:
    """The alerting and self-healing of one environment, from `own` to `release`.

    Args:
        environment: its name.
        engine: evaluates the rules.
        alertmanager: routes, groups and mutes.
        sender: delivers.
        healer: answers alerts by playbooks.
        state: keeps what must survive a crash; of this environment alone.
        writer: stores documents.
        now: nanoseconds since the epoch.
        key: signs the links by which humans approve repairs; empty: one is made once and kept with the state.
        counts: what is done in all environments.
        journal: the samples of the environment on their way to the store of samples, if there is one.
        history: reads them there.
    """

    def __init__(
        self,
        environment: str,
        engine: AlertEngine,
        alertmanager: Alertmanager,
        sender: Sender,
        healer: Healer,
        state: StageTable,
        writer: DocumentWriter,
        now: Callable[[], int],
        key: bytes,
        counts: AlertingCounts,
        journal: SampleJournal | None = None,
        history: StoredHistory | None = None,
    ) -> None:
        self.environment = environment
        self.engine = engine
        self.alertmanager = alertmanager
        self.sender = sender
        self.runner = PlaybookRunner(healer, self._save_healer, PromptWriter(writer), self._notify, self._repair_time)
        self.approvals = Approvals(alertmanager.external_url, self._repair_time)
        self._repairs = RepairAlerts(alertmanager, self.approvals, healer.safety.config.breaker_reset, engine.alert_labels)
        self._key = key
        self._counts = counts
        self._state = state
        self._now = now
        self.journal, self.history = journal, history
        self._event_time = self.saved_event_time = 0
        self._offered_at = self._saved = 0
        self._delivered: list[Document] = []
        self._partition: int | None = None
        self._changing = asyncio.Lock()

    @property
    def owned(self) -> bool:
        """Whether this process decides for the environment."""
        return self._partition is not None

    @property
    def held_from(self) -> int:
        """From what event time on records may have samples that are not stored yet, ns; far in the future without any."""
        return self.journal.held_from if self.journal is not None else NEVER

    async def own(self, partition: int) -> None:
        """Take over with the state that the last owner saved. Safe twice."""
        async with self._changing:
            if self.owned:
                return
            for name, part in (("engine", self.engine), ("alertmanager", self.alertmanager)):
                with needed(self._state, partition, name):
                    saved = self._state.load(partition, name)
                    if saved is not None:
                        part.restore(saved)
            self._partition = partition
            with needed(self._state, partition, "approvals"):
                await sign_by_kept_key(self.approvals, self._key, self._state, partition)
            with needed(self._state, partition, "healer"):
                await self.runner.start(self._state.load(partition, "healer"))

    async def release(self) -> None:
        """Let go: another worker owns the environment from now on. Safe twice."""
        async with self._changing:
            if not self.owned:
                return
            try:
                await self.runner.stop()  # what ends meanwhile is ours to save, under the time of the telemetry
            finally:
                self._partition = None
                self._event_time = self.saved_event_time = 0
                if self.journal is not None:
                    self.journal.close()
                await self.sender.stop()

    async def advance(self, event_time: int, anomalies: Sequence[Anomaly] = ()) -> Advanced:
        """Evaluate, notify and repair what is due.

        Args:
            event_time: the time of the telemetry, 0 where there was none yet.
            anomalies: those that playbooks may answer.
        """
        now = self._now()
        self._event_time = event_time
        if self.history is not None and event_time:
            reads = self.engine.reads(event_time)
            self.engine.past = await self.history.for_rules(reads, now)
            texts = self.engine.texts_read(event_time)
            if texts:
                self.engine.past = await self.history.for_rules(reads | texts, now)
        clock = asyncio.get_running_loop().time
        started = clock()
        changes = self.engine.advance(event_time) if event_time else []
        self._counts.rule_seconds += clock() - started
        for refusal in self.engine.samples.refusals.to_log(event_time):
            log.warning("series_refused", environment=self.environment, sender=refusal.sender, reason=str(refusal))
        self._counts.alert_changes += len(changes)
        self.alertmanager.handle(changes, now)
        for change in changes:
            if change.state is AlertState.RESOLVED:
                self._repairs.alert_resolved(change.fingerprint, now)
        if now - self._offered_at >= OFFER_INTERVAL:
            self._offered_at = now
            self.alertmanager.handle(self.engine.active(), now)
        self._settle()
        delivered, self._delivered = self._delivered, []
        flush = self.alertmanager.advance(now)
        if changes or delivered or flush.notifications or now - self._saved >= SAVE_EVERY:
            # Saved before anything is sent: after a crash a notification may be sent again, under the same key.
            await self.save()
        for notification in flush.notifications:
            self.sender.submit(notification)
            self._counts.notifications += 1
        await self._repair(changes, anomalies)
        documents = [*(change.document() for change in changes), *delivered, *flush.documents]
        return Advanced(documents, [change for change in changes if change.state is AlertState.FIRING])

    async def _repair(self, changes: Sequence[AlertChange], anomalies: Sequence[Anomaly]) -> None:
        for change in changes:
            # What rules see over all environments is no reason to repair something in one.
            if change.state in {AlertState.FIRING, AlertState.RESOLVED} and not self.engine.is_global:
                await self.runner.on_alert(change)
        for anomaly in anomalies:
            await self.runner.on_anomaly(anomaly)
        if self._event_time:
            await self.runner.advance()

    async def replace_receivers(self, config: AlertmanagerConfig, notifiers: Mapping[str, Notifier]) -> None:
        """Take other routes and receivers. What was in flight is sent again, under the same key."""
        self._settle()
        self.alertmanager.replace_config(config, self._now())
        await self.sender.replace(notifiers)

    def _settle(self) -> None:
        self._delivered += [self.alertmanager.settle(delivery) for delivery in self.sender.finished()]

    async def save(self) -> None:
        """Return when alerts, silences and the notification log would survive a kill -9.

        Raises:
            OverloadedError: another process owns the environment.
        """
        partition = self._owned_partition()
        self._saved, event_time = self._now(), self._event_time
        await self._state.save(partition, "engine", self.engine.snapshot())
        await self._state.save(partition, "alertmanager", self.alertmanager.snapshot())
        self.saved_event_time = event_time

    def _owned_partition(self) -> int:
        if self._partition is None:
            raise OverloadedError("the environment's alerts belong to another process now: ask again", 1)
        return self._partition

    def _repair_time(self) -> int:
        return self._event_time or self._now()

    async def _save_healer(self, snapshot: Body) -> None:
        # It raises where another process owns the environment: what is not saved is not published either.
        await self._state.save(self._owned_partition(), "healer", snapshot)

    async def _notify(self, notice: Notice) -> None:
        log.info("repair", notice=notice.kind, incident=notice.incident, text=notice.text)
        self._repairs.report(notice, self._now())
        await self.save()
