"""Builds alerting and self-healing from the configuration: rules, receivers, playbooks, and the files they are read from."""

from __future__ import annotations

import secrets
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from alerting.alertmanager.config import AlertmanagerConfig, parse_config
from alerting.alertmanager.manager import Alertmanager
from alerting.notify.build import build_notifiers
from alerting.notify.forward import AlertForwarder
from alerting.notify.sender import Sender
from alerting.playbooks.actions.build import build_actions
from alerting.playbooks.actions.supervisor import SupervisorConfig
from alerting.playbooks.kernel.healer import Healer
from alerting.playbooks.kernel.trust import OPEN_KAFKA, Trust
from alerting.playbooks.model.load import load_playbooks
from alerting.rules.engine import AlertEngine
from alerting.rules.files import load_rules
from alerting.rules.samples import Limits, Samples
from alerting.stored_samples.history import StoredHistory
from components.durations import HOUR
from components.live_files import LiveFiles
from components.private_files import make_private_folder, write_private
from pipeline.acting.alerting import Alerting
from pipeline.acting.settings import AlertingSettings
from spanloom import components
from telemetry.environment import EVERY_ENVIRONMENT, environment_labels
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import httpx2

    from alerting.notify.notification import Notifier
    from alerting.playbooks.actions.steering import Steering
    from alerting.stored_samples.recorder import SampleRecorder
    from pipeline.acting.settings import Share
    from pipeline.delivery.document_writer import DocumentWriter
    from pipeline.state.table import StageTable
    from spanloom.clock import Now
    from spanloom.config import Config

RECEIVERS = """
route:
  receiver: default
  group_by: [alertname, service]
  group_wait: 1s
  group_interval: 5s
  repeat_interval: 1h
topology_inhibit_rules:
- culprit_matchers: ['alertname="ServiceCulprit"']
  target_matchers: ['incident=""']
receivers:
- name: default
"""
"""Where alerts go when the configuration names no file: to the webhook, if it names one."""

KEY_BYTES = 32


class AlertingFactory:
    """Settings of alerting with what the files say now, and environments that follow them. Files that change are reloaded.

    Args:
        config: names the files, receivers and actions.
        writer: stores documents.
        now: nanoseconds since the epoch.
        client: delivers notifications and asks for repairs.
        share: reaches the processes that own other environments.
        recorder: takes the samples of rules to their store, if there is one.
        steering: the control plane, if this process has one.

    Raises:
        ConfigError: a file cannot be used; each mistake with its line.
    """

    def __init__(
        self,
        config: Config,
        writer: DocumentWriter,
        now: Now,
        client: httpx2.AsyncClient,
        share: Share,
        recorder: SampleRecorder | None = None,
        steering: Steering | None = None,
    ) -> None:
        self._config, self._writer, self._now, self._recorder = config, writer, now, recorder
        settings = config.alerting
        self._url = settings.external_url or config.console.url
        supervisor = (
            SupervisorConfig(url=config.supervisor_url) if config.supervisor_url else settings.actions.section("supervisor")
        )
        reach = settings.actions.model_copy(update={"supervisor": supervisor})
        self._actions = build_actions(components.ACTIONS, components.RUNNERS, reach, steering)
        shipped = Path(str(files("alerting")))

        def notifiers(loaded: AlertmanagerConfig) -> dict[str, Notifier]:
            return build_notifiers(components.NOTIFIERS, loaded.receivers, client, self._url, loaded.library, shared.texts, now)

        async def reload_rules(paths: Sequence[Path]) -> None:
            shared.rules.load_files(load_rules(paths))

        async def reload_playbooks(paths: Sequence[Path]) -> None:
            await shared.use_playbooks(load_playbooks(paths, self._actions))

        async def reload_receivers(paths: Sequence[Path]) -> None:
            await shared.use_receivers(read_receivers(paths))

        def templates() -> list[str]:
            return _texts(shared.receivers.templates)

        default_playbooks = (shipped / "playbooks" / "default.yml",) if supervisor is not None else ()
        rules = LiveFiles(_texts(settings.rules or (shipped / "default_rules.yml",)), reload_rules)
        playbooks = LiveFiles(_texts(settings.playbooks or default_playbooks), reload_playbooks)
        receivers = LiveFiles(_texts((settings.receivers,) if settings.receivers else ()), reload_receivers, templates)

        shared = self.settings = AlertingSettings(
            load_rules(rules.begin()),
            read_receivers((settings.receivers,)) if settings.receivers else default_receivers(config),
            load_playbooks(playbooks.begin(), self._actions),
            notifiers,
            _trust(config),
            now,
            share,
            config.topics.signal_partitions,
        )
        if recorder is not None:
            shared.rules.stored_for = max(recorder.store.limits.kept.values())
        shared.files = {"rules": rules, "playbooks": playbooks, "receivers": receivers}
        receivers.begin()
        if settings.alertmanagers:
            shared.forwarder = AlertForwarder(settings.alertmanagers, client, now, shared.alerts)
        notifiers(shared.receivers)  # what cannot be used must end the start, not the first environment
        self._key = settings.approval_key.get_secret_value().encode() if settings.approval_key else b""
        if not self._key and config.log_url.startswith("log:"):  # one process, whose files nobody else should read
            self._key = approval_key(config.data_dir / "approval.key")

    def build(self, environment: str, state: StageTable) -> Alerting:
        """What alerts and repairs in one environment, with the state that is its own."""
        shared, labels = self.settings, dict(environment_labels(environment))
        is_global = environment == EVERY_ENVIRONMENT
        external = self._config.alerting.external_labels
        samples = Samples(Limits(series_per_sender=self._config.samples.series_per_sender))
        engine = AlertEngine(
            samples=samples, external_labels=external, external_url=self._url, alert_labels=labels, is_global=is_global
        )
        journal = history = None
        if self._recorder is not None:
            journal = self._recorder.journal(environment, lambda: engine.samples.newest)
            engine.samples.journal, engine.samples.journals_points = journal, not is_global
        if journal is not None and self._recorder is not None:
            history = StoredHistory(self._recorder.store, engine.samples, journal)
            engine.stored_for = history.kept
        shared.rules.attach(engine)
        manager = Alertmanager(shared.receivers, self._url, shared.silences, labels, external)
        healer = Healer(
            shared.playbooks,
            self._actions,
            engine.query,
            self._config.alerting.safety,
            environment,
            calls=manager.calls,
            trust=shared.trust,
        )
        sender = Sender(shared.notifiers(shared.receivers), self._now)
        return Alerting(
            environment,
            engine,
            manager,
            sender,
            healer,
            state,
            self._writer,
            self._now,
            self._key,
            shared.counts,
            journal,
            history,
        )


def _trust(config: Config) -> Trust:
    """What repairs believe. A source counts for as long as a lagging stage may still bring what came of its telemetry."""
    safety = config.alerting.safety
    counts_for = max(safety.untrusted_for, int(config.topics.retention_hours * HOUR))
    return Trust(safety.automatic_for, counts_for, (OPEN_KAFKA,) if config.kafka.is_open(config.log_url) else ())


def approval_key(path: Path) -> bytes:
    """The secret behind the links by which humans approve repairs: made once, for its owner's eyes only.

    Raises:
        ConfigError: the file holds something else, or others can read it.
    """
    if not path.exists():
        make_private_folder(path.parent)
        write_private(path, secrets.token_bytes(KEY_BYTES))
    key = path.read_bytes()
    if len(key) != KEY_BYTES or path.stat().st_mode & 0o077:
        raise ConfigError(
            f"{path}: must be {KEY_BYTES} bytes that only their owner can read (mode 0600): "
            "remove it, and the links that were sent become void"
        )
    return key


def _texts(paths: Sequence[Path]) -> list[str]:
    return [str(path) for path in paths]


def read_receivers(paths: Sequence[Path]) -> AlertmanagerConfig:
    """The one file of receivers and routes.

    Raises:
        ConfigError: names each mistake with its place.
    """
    (path,) = paths
    try:
        return parse_config(path.read_text("utf-8"), str(path), components.NOTIFIERS)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error


def default_receivers(config: Config) -> AlertmanagerConfig:
    """Where alerts go when no file says it."""
    url = config.webhook_url.get_secret_value()
    webhook = f"  webhook_configs: [{{url: {orjson.dumps(url).decode()}}}]" if url else ""
    return parse_config(RECEIVERS + webhook + "\n", "default receivers", components.NOTIFIERS)
