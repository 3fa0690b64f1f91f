"""What holds in every environment: rules, silences, receivers and playbooks, who may feed telemetry, and who may approve."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

import structlog

from alerting.alertmanager.silences import Silences
from alerting.notify.text import TextCounts
from alerting.playbooks.kernel.trust import API_RULES, UNKNOWN
from alerting.rules.book import RuleBook
from pipeline.acting.approvals import EnvironmentApprovals
from pipeline.acting.config import AlertingCounts
from pipeline.exchange.codec import BatchKind
from pipeline.state.restoring import UNFIT, log_relearning, needed
from processors.feedback.mark import Subject
from processors.feedback.marks import Marks
from telemetry.environment import foremost
from telemetry.errors import ConfigError, InputError, OverloadedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from alerting.alertmanager.config import AlertmanagerConfig
    from alerting.alerts import AlertStore
    from alerting.notify.forward import AlertForwarder
    from alerting.notify.notification import Notifier
    from alerting.playbooks.kernel.trust import Trust
    from alerting.playbooks.model.plan import Playbook
    from alerting.rules.files import RuleGroup
    from components.live_files import LiveFiles
    from pipeline.acting.alerting import Alerting
    from pipeline.state.table import StageTable
    from processors.feedback.mark import Mark
    from telemetry.json_object import JsonObject

log = structlog.get_logger(__name__)

VERSION = 1
REFRESH_EVERY = 1_000_000_000
"""Nanoseconds between checks of the files."""


class Share(Protocol):
    """Sends what concerns the environments of other processes too."""

    def __call__(self, batch: BatchKind, body: JsonObject, /) -> Awaitable[object]:
        """End when it is on the log of every partition."""
        ...


class AlertingSettings:
    """Settings that no environment has of its own, and the environments of this process that follow them.

    Args:
        groups: rules of files.
        receivers: routes and receivers.
        playbooks: the plans of repairs.
        notifiers: makes what delivers to these receivers, for one environment.
        trust: whose telemetry may start repairs.
        now: nanoseconds since the epoch.
        share: reaches the processes that own other environments.
        partitions: into which the environments are divided.
    """

    def __init__(
        self,
        groups: Sequence[RuleGroup],
        receivers: AlertmanagerConfig,
        playbooks: Sequence[Playbook],
        notifiers: Callable[[AlertmanagerConfig], dict[str, Notifier]],
        trust: Trust,
        now: Callable[[], int],
        share: Share,
        partitions: int = 1,
    ) -> None:
        self.rules = RuleBook(files=groups, now=now)
        self.silences = Silences()
        self.marks = Marks()
        self.receivers, self.playbooks, self.notifiers = receivers, tuple(playbooks), notifiers
        self.trust = trust
        self.counts = AlertingCounts()
        self.texts = TextCounts()
        self.files: Mapping[str, LiveFiles] = {}
        self.environments: dict[str, Alerting] = {}
        """Those that this process owns, by name."""
        self.forwarder: AlertForwarder | None = None
        self.approvals = EnvironmentApprovals(self.environments, self._is_complete, partial(share, BatchKind.ANSWERS))
        self._now = now
        self._state: StageTable | None = None
        self._share, self._all_partitions = share, partitions
        self._partitions: set[int] = set()
        self._refreshed = self._shared_at = 0
        self._switched: dict[str, int] = {}  # when repairs were stopped or resumed last, by environment
        self._everywhere: JsonObject = {}  # the last switch of all environments: also of those that come later
        self._received: list[JsonObject] = []  # switches that others were set

    def _is_complete(self) -> bool:
        """Whether there are no environments elsewhere."""
        return len(self._partitions) == self._all_partitions

    async def refresh(self) -> None:
        """Reload the files that have changed, at most once a second, and see who feeds what repairs read."""
        now = self._now()
        if now - self._refreshed >= REFRESH_EVERY:
            self._refreshed = now
            await self.reload()
        self._see_sources(now)

    async def reload(self) -> None:
        """Reload the files that have changed. One that cannot be used is logged, and what was in use stays."""
        for what, files in self.files.items():
            try:
                if await files.refresh():
                    log.info("configuration_applied", what=what)
            except ConfigError as error:
                self.counts.files_refused += 1
                log.error("configuration_refused", what=what, reason=str(error), hint="the old one stays in use")  # noqa: TRY400

    def _see_sources(self, now: int) -> None:
        """Rules that came over HTTP feed what other rules and repairs read, where they write it."""
        self.trust.pass_time(now)
        for namespace in self.rules.writers([each for playbook in self.playbooks for each in playbook.expressions]):
            self.trust.fed(f"{API_RULES}:{namespace}", now)

    async def use_playbooks(self, playbooks: Sequence[Playbook]) -> None:
        """Take other playbooks, all at once."""
        self.playbooks = tuple(playbooks)
        for alerting in list(self.environments.values()):
            await alerting.runner.replace_playbooks(playbooks)

    async def use_receivers(self, receivers: AlertmanagerConfig) -> None:
        """Take other routes and receivers. What was in flight is sent again, under the same key."""
        made = [(alerting, self.notifiers(receivers)) for alerting in self.environments.values()]  # all, before one is replaced
        self.receivers = receivers
        for alerting, notifiers in made:
            await alerting.replace_receivers(receivers, notifiers)

    def alerts(self) -> dict[str, AlertStore]:
        """The alerts that there are, by environment."""
        return {name: alerting.alertmanager.alert_store for name, alerting in self.environments.items()}

    def forward(self) -> None:
        """Begin to send to other Alertmanagers what is due."""
        if self.forwarder is not None:
            self.forwarder.advance()

    async def begin(self, alerting: Alerting) -> None:
        """An environment is this process's own, with all that was saved of it; where repairs are stopped, also in a new one."""
        self.environments[alerting.environment] = alerting
        if self._everywhere.get("stopped_by"):
            await self._turn({**self._everywhere, "environment": alerting.environment})

    def end(self, alerting: Alerting) -> None:
        """An environment is let go: another process owns it from now on."""
        self.environments.pop(alerting.environment, None)
        self.rules.detach(alerting.engine)

    async def switch(self, who: str, environment: str | None, *, stop: bool) -> None:
        """Stop repairs, or let them go on, in one environment or in all.

        Raises:
            InputError: no such environment.
            OverloadedError: another process owns the environments.
        """
        self.primary()
        if environment is not None and environment not in self.environments and self._is_complete():
            raise InputError(f"no environment {environment!r}; there are {', '.join(sorted(self.environments))}")
        switch = {"environment": environment, "stopped_by": who if stop else "", "by": who, "at": self._now()}
        await self._turn(switch)
        await self._save_settings()
        if not self._is_complete():
            await self._share(BatchKind.SETTINGS, {"switches": [switch]})

    async def mark(self, mark: Mark) -> None:
        """Take what somebody said of a finding; return when it is on the audit trail, would survive a kill -9, and is sent.

        Raises:
            InputError: too many marks count already.
            OverloadedError: another process owns the environments.
        """
        self.primary()
        self.marks.check_room(mark)
        said = {"verdict": mark.verdict.value, "about": mark.about, "environment": mark.environment, "until": mark.expires}
        await self.note(f"{mark.subject}-marked", mark.who, **{mark.subject.value: mark.id}, **said, note=mark.note)
        self.marks.merge([body := mark.model_dump(mode="json")])
        self.counts.marks[mark.verdict] += 1
        await self._save_settings()
        if mark.subject is Subject.ANOMALY:
            await self._share(BatchKind.MARKS, body)
        await self._share_changes()

    async def _turn(self, switch: JsonObject) -> None:
        named = switch["environment"]
        if named is None and switch["at"] > self._everywhere.get("at", 0):
            self._everywhere = switch
        here = dict(self.environments)
        for name in here if named is None else {named} & here.keys():
            if switch["at"] > self._switched.get(name, 0):
                self._switched[name] = switch["at"]
                runner = here[name].runner
                await (runner.halt(switch["by"]) if switch["stopped_by"] else runner.resume(switch["by"]))

    # ------------------------------------------------------------------ what other processes changed

    def receive(self, bodies: Sequence[JsonObject]) -> None:
        """Take what somebody changed elsewhere: what was changed last counts, so any order and any repetition is well.

        Raises:
            InputError: it cannot be used; nothing of it counts then.
        """
        for body in bodies:
            self.silences.merge(body.get("silences", []))
            self.marks.merge(body.get("marks", []))
            self._log_refused(self.rules.merge(body.get("rules", [])))
            self._received += body.get("switches", [])

    async def apply_received(self) -> None:
        """Return when what was received is in effect, and would survive a kill -9."""
        received, self._received = self._received, []
        for switch in received:
            await self._turn(switch)
        await self._save_settings()
        await self._save_rules()

    async def _share_changes(self) -> None:
        if self._is_complete():
            return
        now, since = self._now(), self._shared_at
        changes: JsonObject = {"silences": self.silences.changes(since), "rules": self.rules.changes(since)}
        changes["marks"] = self.marks.changes(since)
        await self._share(BatchKind.SETTINGS, changes)
        self._shared_at = max(now, self._shared_at)  # not before: what failed is sent with the next

    # ------------------------------------------------------------------ what must survive a crash

    async def own(self, state: StageTable, partition: int) -> None:
        """Take what was saved with a partition."""
        self._state = state
        with needed(state, partition, "rules"):
            written = state.load(partition, "rules")
            self._log_refused(self.rules.restore(written) if written is not None else [])
        with needed(state, partition, "settings"):
            saved = state.load(partition, "settings")
            if saved is not None:
                self._restore(saved)
        self._restore_sources(state, partition)
        self._partitions.add(partition)
        self._shared_at = self._shared_at or self._now()

    def _restore(self, saved: JsonObject) -> None:
        if saved.get("version") != VERSION:
            raise InputError(f"settings: version {saved.get('version')!r}; this release reads {VERSION}")
        self.silences.merge(saved["silences"])
        self.marks.merge(saved.get("marks", []))  # 0.3.0 had none
        everywhere = saved["everywhere"]
        if everywhere.get("at", 0) > self._everywhere.get("at", 0):
            self._everywhere = everywhere
        for environment, at in saved["switched"].items():
            self._switched[environment] = max(at, self._switched.get(environment, 0))

    def _log_refused(self, reasons: Sequence[str]) -> None:
        for reason in reasons:
            self.counts.files_refused += 1
            log.error("configuration_refused", what="rules", reason=reason, hint="it is kept, without effect")

    def _restore_sources(self, state: StageTable, partition: int) -> None:
        """Who fed the telemetry. Where that is not known any more, somebody did who is not trusted."""
        try:
            sources = state.load(partition, "sources")
            if sources is not None:
                self.trust.restore(sources)
        except UNFIT as error:
            log_relearning("sources", partition, error)
            self.trust.fed(UNKNOWN, self._now())

    def release(self, partition: int) -> None:
        """Another process owns the partition now."""
        self._partitions.discard(partition)

    async def save(self) -> None:
        """Return when the silences would survive a kill -9.

        Raises:
            OverloadedError: another process owns the environments.
        """
        self.primary()
        for alerting in list(self.environments.values()):  # some may begin or end meanwhile
            if alerting.owned:
                await alerting.save()
        await self._save_settings()
        await self._share_changes()

    async def save_rules(self) -> None:
        """Return when the rules that were set by namespace would survive a kill -9.

        Raises:
            OverloadedError: another process owns the environments.
        """
        self.primary()
        log.info("configuration_applied", what="rules")
        await self._save_rules()
        await self._share_changes()

    async def _save_rules(self) -> None:
        await self._save("rules", self.rules.snapshot())

    async def _save_settings(self) -> None:
        body: JsonObject = {"version": VERSION, "silences": self.silences.snapshot(), "marks": self.marks.snapshot()}
        body |= {"switched": self._switched, "everywhere": self._everywhere}
        await self._save("settings", body)

    async def _save(self, name: str, body: JsonObject) -> None:
        for partition in sorted(self._partitions):
            if self._state is not None:
                await self._state.save(partition, name, body)

    async def save_sources(self) -> None:
        """Return when it would survive a kill -9 who has fed the telemetry."""
        if not self.trust.unsaved:
            return
        await self._save("sources", self.trust.snapshot())

    def primary(self) -> Alerting:
        """The environment whose audit trail says what was changed for all: the default one, or the first that is here.

        Raises:
            OverloadedError: none is.
        """
        alerting = foremost(self.environments)
        if alerting is None:
            raise OverloadedError("the environment's alerts belong to another process now: ask again", 1)
        return alerting

    async def note(self, event: str, who: str, /, **data: object) -> None:
        """What somebody changed for all environments; return when it would survive a kill -9."""
        await self.primary().runner.note(event, who, **data)
