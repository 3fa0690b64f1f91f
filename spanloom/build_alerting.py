"""Builds alerting and self-healing from the configuration: rules, receivers, playbooks, and the files they are read from."""

from __future__ import annotations

import secrets
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from alerting.alertmanager.config import AlertmanagerConfig, parse_config
from alerting.alertmanager.manager import Alertmanager
from alerting.notify.build import build_notifiers
from alerting.notify.sender import Sender
from alerting.notify.text import TextCounts
from alerting.playbooks.actions.build import build_actions
from alerting.playbooks.actions.supervisor import SupervisorConfig
from alerting.playbooks.kernel.healer import Healer
from alerting.playbooks.kernel.trust import OPEN_KAFKA, Trust
from alerting.playbooks.model.load import load_playbooks
from alerting.rules.engine import AlertEngine
from alerting.rules.files import load_rules
from components.durations import HOUR
from components.live_files import LiveFiles
from components.private_files import make_private_folder, write_private
from pipeline.acting.environment import Alerting
from spanloom import components
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import httpx2

    from alerting.notify.notification import Notifier
    from pipeline.acting.approvals import PassOn
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


def build_alerting(
    config: Config, state: StageTable, writer: DocumentWriter, now: Now, client: httpx2.AsyncClient, pass_on: PassOn
) -> Alerting:
    """All of it, with what the files say now; files that change are reloaded while it runs.

    Raises:
        ConfigError: a file cannot be used; each mistake with its line.
    """
    settings = config.alerting
    url = settings.external_url or config.console.url
    supervisor = (
        SupervisorConfig(url=config.supervisor_url) if config.supervisor_url else settings.actions.section("supervisor")
    )
    reach = settings.actions.model_copy(update={"supervisor": supervisor})
    actions = build_actions(components.ACTIONS, components.RUNNERS, reach)
    shipped = Path(str(files("alerting")))

    def notifiers(for_config: AlertmanagerConfig) -> dict[str, Notifier]:
        return build_notifiers(components.NOTIFIERS, for_config.receivers, client, url, for_config.library, texts)

    async def reload_rules(paths: Sequence[Path]) -> None:
        alerting.rules.load_files(load_rules(paths))

    async def reload_playbooks(paths: Sequence[Path]) -> None:
        await alerting.runner.replace_playbooks(load_playbooks(paths, actions))

    async def reload_receivers(paths: Sequence[Path]) -> None:
        loaded = _read_receivers(paths)
        await alerting.replace_receivers(loaded, notifiers(loaded))

    def templates() -> list[str]:
        return _texts(manager.config.templates)

    default_playbooks = (shipped / "playbooks" / "default.yml",) if supervisor is not None else ()
    rules = LiveFiles(_texts(settings.rules or (shipped / "default_rules.yml",)), reload_rules)
    playbooks = LiveFiles(_texts(settings.playbooks or default_playbooks), reload_playbooks)
    receivers = LiveFiles(_texts((settings.receivers,) if settings.receivers else ()), reload_receivers, templates)

    texts = TextCounts()
    engine = AlertEngine(load_rules(rules.begin()), external_url=url)
    loaded = _read_receivers((settings.receivers,)) if settings.receivers else _default_receivers(config)
    manager = Alertmanager(loaded, url)
    receivers.begin()
    sender = Sender(notifiers(manager.config), now)
    plans = load_playbooks(playbooks.begin(), actions)
    healer = Healer(plans, actions, engine.query, settings.safety, calls=manager.calls, trust=_trust(config))
    key = settings.approval_key.get_secret_value().encode() if settings.approval_key else b""
    if not key and config.log_url.startswith("log:"):  # one process, whose files nobody else should read
        key = approval_key(config.data_dir / "approval.key")
    alerting = Alerting(engine, manager, sender, healer, state, writer, now, key, version("spanloom"), pass_on=pass_on)
    alerting.texts = texts
    alerting.files = {"rules": rules, "playbooks": playbooks, "receivers": receivers}
    return alerting


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


def _read_receivers(paths: Sequence[Path]) -> AlertmanagerConfig:
    (path,) = paths
    try:
        return parse_config(path.read_text("utf-8"), str(path), components.NOTIFIERS)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error


def _default_receivers(config: Config) -> AlertmanagerConfig:
    url = config.webhook_url.get_secret_value()
    webhook = f"  webhook_configs: [{{url: {orjson.dumps(url).decode()}}}]" if url else ""
    return parse_config(RECEIVERS + webhook + "\n", "default receivers", components.NOTIFIERS)
