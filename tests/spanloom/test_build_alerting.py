"""Alerting as the configuration builds it, and what its files do when they change."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from pipeline.acting.api import routes
from pipeline.delivery.document_writer import DocumentWriter
from spanloom.build_alerting import AlertingFactory, approval_key
from spanloom.config import AlertingConfig, Config
from telemetry.errors import ConfigError
from tests.alerting.notify.test_forward import Peer
from tests.alerting.playbooks.world import START, Alert
from tests.pipeline.parts import MemoryStore, NoRejects
from tests.pipeline.test_act import Table

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from pipeline.acting.alerting import Alerting

ROUTES = "route: {{receiver: {0}}}\nreceivers: [{{name: {0}, webhook_configs: [{{url: 'http://127.0.0.1:1/'}}]}}]\n"
PLAYBOOK = """
playbooks:
- name: {name}
  trigger: {{alert: ['severity="critical"']}}
  approve: {{human: 10m}}
  cooldown: 1m
  steps:
  - {{name: look, action: runbook, with: {{url: "http://wiki/cart"}}, timeout: 5s, inverse: none}}
  verify: {{expr: up, for: 5s, within: 30s}}
"""


class Built:
    """What the configuration builds, with its default environment."""

    def __init__(self, factory: AlertingFactory) -> None:
        self.factory, self.settings = factory, factory.settings
        state: Any = Table()
        self.state = state
        self.alerting: Alerting = factory.build("default", state)
        self.client = TestClient(Starlette(routes=routes(self.settings, lambda: START, "test")))

    async def own(self) -> Alerting:
        await self.settings.own(self.state, 0)
        await self.alerting.own(0)
        await self.settings.begin(self.alerting)
        return self.alerting


@pytest.fixture
async def build(tmp_path: Path) -> AsyncIterator[Callable[[], Built]]:
    passed_on: list[Any] = []
    async with httpx2.AsyncClient() as client:

        def built(**settings: Any) -> Built:
            config = Config(data_dir=tmp_path / "data", alerting=AlertingConfig(**settings))
            writer = DocumentWriter(MemoryStore(), NoRejects())
            return Built(AlertingFactory(config, writer, lambda: START, client, passed_on.append))  # type: ignore[arg-type]

        yield built


def test_the_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "data" / "approval.key"
    key = approval_key(path)
    assert len(key) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert approval_key(path) == key
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="mode 0600"):
        approval_key(path)
    path.chmod(0o600)
    path.write_bytes(b"short")
    with pytest.raises(ConfigError, match="32 bytes"):
        approval_key(path)


async def test_what_cannot_be_used_is_refused_at_the_start_with_its_line(build: Callable[..., Built], tmp_path: Path) -> None:
    path = tmp_path / "file.yml"
    path.write_text("nonsense: 1\n")
    for kind, value in (("rules", [path]), ("receivers", path), ("playbooks", [path])):
        with pytest.raises(ConfigError, match=r"file\.yml:1"):
            build(**{kind: value})
    with pytest.raises(ConfigError, match="cannot be read"):
        build(receivers=tmp_path / "none.yml")


async def test_receivers_and_playbooks_change_while_it_runs_and_bad_ones_do_not(
    build: Callable[..., Built], tmp_path: Path
) -> None:
    receivers, plans = tmp_path / "receivers.yml", tmp_path / "playbooks.yml"
    receivers.write_text(ROUTES.format("one"))
    plans.write_text(PLAYBOOK.format(name="first"))
    built = build(receivers=receivers, playbooks=[plans])
    alerting = await built.own()
    await built.settings.reload()
    assert alerting.runner.healer.journal.chain.sequence == 0, "nothing has changed"
    receivers.write_text(ROUTES.format("another"))
    plans.write_text(PLAYBOOK.format(name="second"))
    await built.settings.reload()
    receivers.write_text("route: {}\n")
    plans.write_text("playbooks: 1\n")
    await built.settings.reload()
    await built.settings.reload()
    assert list(alerting.alertmanager.config.integrations) == ["another"]
    assert list(alerting.sender.notifiers) == ["another/webhook[0]"]
    assert [playbook.name for playbook in alerting.runner.healer.playbooks] == ["second"]
    assert built.settings.counts.files_refused == 2
    await alerting.release()


async def test_a_reload_takes_what_changed_or_says_what_is_wrong_for_as_long_as_it_is(
    build: Callable[..., Built], tmp_path: Path
) -> None:
    receivers = tmp_path / "receivers.yml"
    receivers.write_text(ROUTES.format("one"))
    built = build(receivers=receivers)
    alerting, client = await built.own(), built.client
    receivers.write_text(ROUTES.format("another"))
    assert client.post("/-/reload").status_code == 200
    assert list(alerting.alertmanager.config.integrations) == ["another"]
    receivers.write_text("route: {}\n")
    for _ in range(2):
        answer = client.put("/-/reload")
        assert (answer.status_code, "receivers.yml:1:1: " in answer.text) == (500, True)
    receivers.write_text(ROUTES.format("third"))
    assert client.post("/-/reload").status_code == 200
    assert list(alerting.alertmanager.config.integrations) == ["third"]
    await alerting.release()


async def test_a_human_approves_by_the_link_that_the_alert_carries(build: Callable[..., Built], tmp_path: Path) -> None:
    plans = tmp_path / "playbooks.yml"
    plans.write_text(PLAYBOOK.format(name="ask"))
    built = build(playbooks=[plans], external_url="https://spanloom.example.org")
    alerting = await built.own()
    alerting.runner.healer.traffic.add("cart", 10, START)
    alerting.runner.healer.traffic.add("web", 90, START)
    alerting.runner.healer.traffic.see([("cart", "a")], START)
    await alerting.runner.on_alert(Alert("cart"))
    await alerting.advance(START)
    client = built.client
    (asked,) = client.get("/api/v2/alerts").json()
    assert asked["labels"]["alertname"] == "RepairApprovalRequested"
    (held,) = alerting.alertmanager.alert_store
    link = held.annotations["approve"]
    assert link.rpartition("=")[2] not in json.dumps(asked), "who reads the API cannot approve"
    assert link.startswith("https://spanloom.example.org/api/v1/incidents/")
    path = link.removeprefix("https://spanloom.example.org")
    assert client.post(path + "0", json={"decision": "approve", "who": "ann"}).status_code == 403
    assert client.post(path, json={"decision": "deny", "who": "ann"}).json()["decision"] == "deny"
    assert client.get("/api/v2/alerts").json() == [], "it was answered"
    await alerting.release()


async def test_alerts_go_on_to_alertmanagers_with_external_labels_and_another_owner_sends_them_again(
    build: Callable[..., Built], tmp_path: Path
) -> None:
    (tmp_path / "rules.yml").write_text("groups: [{name: g, interval: 1s, rules: [{alert: Slow, expr: vector(1)}]}]")
    async with Peer().open() as peer:
        alertmanagers = [{"static_configs": [{"targets": [peer.address]}]}]
        settings = {"alertmanagers": alertmanagers, "external_labels": {"site": "a"}, "rules": [tmp_path / "rules.yml"]}
        before, after = build(**settings), build(**settings)
        alerting = await before.own()
        await alerting.advance(START)
        await forwarded(before)
        await alerting.release()
        before.settings.end(alerting)
        after.state, after.alerting = before.state, after.factory.build("default", before.state)
        await after.own()
        await forwarded(after)
        await after.alerting.release()
    assert [[item["labels"] for item in batch] for batch in peer.posted] == [[{"alertname": "Slow", "site": "a"}]] * 2


async def forwarded(built: Built) -> None:
    """Return when what is due has been sent."""
    forwarder = built.settings.forwarder
    assert forwarder is not None
    built.settings.forward()
    await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name() == "forward-alerts"))
    await forwarder.close()
