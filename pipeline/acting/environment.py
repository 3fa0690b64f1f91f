"""What alerts and repairs, in the order in which it works: rules, notifications, playbooks, and their durable state.

Rules and repairs follow the time of the telemetry. Silences, the waits of groups and what else is between us and humans
follow the clock: it goes on when no telemetry comes, and posted alerts are notified as well.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from alerting.alert_state import AlertState
from alerting.alertmanager.api import AlertmanagerApi
from alerting.notify.text import TextCounts
from alerting.playbooks.api import approval, control
from alerting.playbooks.kernel.trust import API_RULES, UNKNOWN
from alerting.playbooks.notices import RepairAlerts
from alerting.playbooks.runner import PlaybookRunner
from alerting.rules import api as rules_api
from alerting.rules.book import RuleBook
from pipeline.acting.approvals import StateApprovalService
from pipeline.delivery.background_writer import PromptWriter
from pipeline.state.restoring import UNFIT, log_relearning, needed
from telemetry.errors import ConfigError, OverloadedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from alerting.alert_state import AlertChange
    from alerting.alertmanager.config import AlertmanagerConfig
    from alerting.alertmanager.manager import Alertmanager
    from alerting.notify.notification import Notifier
    from alerting.notify.sender import Sender
    from alerting.playbooks.kernel.healer import Healer
    from alerting.playbooks.kernel.messages import Notice
    from alerting.rules.engine import AlertEngine
    from components.live_files import LiveFiles
    from pipeline.acting.approvals import PassOn
    from pipeline.delivery.document_writer import DocumentWriter
    from pipeline.state.table import StageTable
    from telemetry.documents import Body, Document
    from telemetry.findings import Anomaly

log = structlog.get_logger(__name__)

REFRESH_EVERY = 1_000_000_000
"""Nanoseconds between checks of the files."""

OFFER_INTERVAL = 10_000_000_000
"""Nanoseconds between checks of what fires all along: its texts may be others now, or there was no room for it."""

SAVE_EVERY = 10_000_000_000
"""Nanoseconds between two saves though nothing changed: after a crash rules go on from there, on samples read again."""


@dataclass(slots=True)
class AlertingCounts:
    """What was done, since the start."""

    alert_changes: int = 0
    notifications: int = 0
    files_refused: int = 0


@dataclass(frozen=True, slots=True)
class Advanced:
    """What came of letting time pass: documents to store, and the alerts that began to fire."""

    documents: list[Document]
    firing: list[AlertChange]


class Alerting:
    """The alerting and self-healing of the one environment that this process owns, from `own` to `release`.

    Args:
        engine: evaluates the rules.
        alertmanager: routes, groups and mutes.
        sender: delivers.
        healer: answers alerts by playbooks.
        state: keeps what must survive a crash.
        writer: stores documents.
        now: nanoseconds since the epoch.
        key: signs the links by which humans approve repairs; empty: one is made once and kept with the state.
        version: of this software, for the API.
        pass_on: reaches the process that owns the environment when this one does not.
    """

    def __init__(
        self,
        engine: AlertEngine,
        alertmanager: Alertmanager,
        sender: Sender,
        healer: Healer,
        state: StageTable,
        writer: DocumentWriter,
        now: Callable[[], int],
        key: bytes,
        version: str = "",
        *,
        pass_on: PassOn,
    ) -> None:
        self.engine = engine
        self.rules = RuleBook(engine)
        self.alertmanager = alertmanager
        self.sender = sender
        self.runner = PlaybookRunner(healer, self._save_healer, PromptWriter(writer), self._notify, self._repair_time)
        self.files: Mapping[str, LiveFiles] = {}
        self.counts = AlertingCounts()
        self.texts = TextCounts()
        approvals = approval.Approvals(alertmanager.external_url, self._repair_time)
        self.approvals = StateApprovalService(approvals, self.runner, key, pass_on)
        self._repairs = RepairAlerts(alertmanager, approvals, healer.safety.config.breaker_reset)
        self._state = state
        self._now = now
        self._version = version
        self._event_time = self.saved_event_time = 0
        self._refreshed = self._offered_at = self._saved = 0
        self._delivered: list[Document] = []
        self._partition: int | None = None
        self._changing = asyncio.Lock()

    @property
    def owned(self) -> bool:
        """Whether this process decides for the environment."""
        return self._partition is not None

    async def own(self, partition: int) -> None:
        """Take over with the state that the last owner saved. Safe twice."""
        async with self._changing:
            if self.owned:
                return
            with needed(self._state, partition, "rules"):
                written = self._state.load(partition, "rules")
                refused = self.rules.restore(written) if written is not None else []
            for reason in refused:
                self.counts.files_refused += 1
                log.error("configuration_refused", what="rules", reason=reason, hint="it is kept, without effect")
            for name, part in (("engine", self.engine), ("alertmanager", self.alertmanager)):
                with needed(self._state, partition, name):
                    saved = self._state.load(partition, name)
                    if saved is not None:
                        part.restore(saved)
            self._restore_sources(partition)
            self._partition = partition
            with needed(self._state, partition, "approvals"):
                await self.approvals.open(self._state, partition)
            with needed(self._state, partition, "healer"):
                await self.runner.start(self._state.load(partition, "healer"))

    def _restore_sources(self, partition: int) -> None:
        """Who fed the telemetry. Where that is not known any more, somebody did who is not trusted."""
        trust = self.runner.healer.trust
        try:
            sources = self._state.load(partition, "sources")
            if sources is not None:
                trust.restore(sources)
        except UNFIT as error:
            log_relearning("sources", partition, error)
            trust.fed(UNKNOWN, self._now())

    async def release(self) -> None:
        """Let go: another worker owns the environment from now on. Safe twice."""
        async with self._changing:
            if not self.owned:
                return
            self.approvals.close()
            try:
                await self.runner.stop()  # what ends meanwhile is ours to save, under the time of the telemetry
            finally:
                self._partition = None
                self._event_time = self.saved_event_time = 0
                await self.sender.stop()

    async def refresh(self) -> None:
        """Reload the files that have changed. One that cannot be used is logged, and what was in use stays."""
        for what, files in self.files.items():
            try:
                if await files.refresh():
                    log.info("configuration_taken", what=what)
            except ConfigError as error:
                self.counts.files_refused += 1
                log.error("configuration_refused", what=what, reason=str(error), hint="the old one stays in use")  # noqa: TRY400

    async def advance(self, event_time: int, anomalies: Sequence[Anomaly] = ()) -> Advanced:
        """Evaluate, notify and repair what is due.

        Args:
            event_time: the time of the telemetry, 0 where there was none yet.
            anomalies: those that playbooks may answer.
        """
        now = self._now()
        if now - self._refreshed >= REFRESH_EVERY:
            self._refreshed = now
            await self.refresh()
        self._event_time = event_time
        self._see_sources(now)
        changes = self.engine.advance(event_time) if event_time else []
        self.counts.alert_changes += len(changes)
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
            self.counts.notifications += 1
        await self._repair(changes, anomalies)
        documents = [*(change.document() for change in changes), *delivered, *flush.documents]
        return Advanced(documents, [change for change in changes if change.state is AlertState.FIRING])

    def _see_sources(self, now: int) -> None:
        """Rules that came over HTTP feed what other rules and repairs read, where they write it."""
        healer = self.runner.healer
        healer.trust.pass_time(now)
        for namespace in self.rules.writers([each for playbook in healer.playbooks for each in playbook.expressions]):
            healer.trust.fed(f"{API_RULES}:{namespace}", now)

    async def _repair(self, changes: Sequence[AlertChange], anomalies: Sequence[Anomaly]) -> None:
        for change in changes:
            if change.state in {AlertState.FIRING, AlertState.RESOLVED}:
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

    async def save_rules(self) -> None:
        """Return when the rules that were set by namespace would survive a kill -9.

        Raises:
            OverloadedError: another process owns the environment.
        """
        log.info("configuration_taken", what="rules")
        await self._state.save(self._owned_partition(), "rules", self.rules.snapshot())

    async def _reload(self, _request: Request) -> Response:
        """`/-/reload` as Alertmanager has it: 200 when the files as they are now are in use, else 500 with the reasons."""
        await self.refresh()
        reasons = [files.reason for files in self.files.values() if files.reason]
        return PlainTextResponse("".join(f"failed to reload: {reason}\n" for reason in reasons), 500 if reasons else 200)

    def routes(self) -> list[Route]:
        """Alertmanager's API, rules, approvals, and the switches of self-healing."""
        api = AlertmanagerApi(self.alertmanager, self._now, self.save, self._version, note=self.runner.note)
        all_ = [
            *api.routes(),
            *rules_api.routes(self.engine, self.rules, self.save_rules, self.runner.note),
            *control.routes(self.runner),
            Route("/-/reload", self._reload, methods=["POST", "PUT"]),
        ]
        by_owner = [Route(route.path, self._by_owner(route.endpoint), methods=sorted(route.methods or ())) for route in all_]
        return [*approval.routes(self.approvals), *by_owner]

    def _by_owner(self, handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            if not self.owned:
                text = "the environment's alerts belong to another process, or are being restored: ask there, or again"
                return JSONResponse({"error": text}, 503, {"Retry-After": "1"})
            try:
                return await handler(request)
            except OverloadedError as error:  # it was let go in between
                return JSONResponse({"error": str(error)}, 503, {"Retry-After": "1"})

        return answer

    def _repair_time(self) -> int:
        return self._event_time or self._now()

    async def _save_healer(self, snapshot: Body) -> None:
        # It raises where another process owns the environment: what is not saved is not published either.
        await self._state.save(self._owned_partition(), "healer", snapshot)

    async def _notify(self, notice: Notice) -> None:
        log.info("repair", notice=notice.kind, incident=notice.incident, text=notice.text)
        self._repairs.report(notice, self._now())
        await self.save()
