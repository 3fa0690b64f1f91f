"""What self-healing leaves behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest

from alerting.playbooks.kernel.healer import Healer
from alerting.playbooks.kernel.messages import Result
from alerting.playbooks.kernel.safety import SafetyConfig
from alerting.playbooks.model.load import load_playbooks
from telemetry.audit import Chain, verify
from telemetry.documents import Kind
from tests.alerting.playbooks.all_actions import all_actions
from tests.alerting.playbooks.world import SECOND, START, Alert, Processes, feed, healer, playbooks

if TYPE_CHECKING:
    from pathlib import Path

PLAYBOOK = """
playbooks:
- name: page
  trigger: {alert: ['severity="critical"']}
  approve: automatic
  cooldown: 5m
  steps:
  - name: hook
    action: http
    with: {url: "http://h/x", headers: {Authorization: Bearer s3cret}}
    timeout: 5s
    inverse: {action: http, with: {url: "http://h/y", headers: {Authorization: Bearer s3cret}}, idempotent: true}
  verify: {expr: up > 0, for: 5s, within: 1m}
"""


@pytest.mark.parametrize("dry_run", [False, True])
def test_the_values_of_headers_are_sent_and_not_stored(tmp_path: Path, *, dry_run: bool) -> None:
    path, actions = tmp_path / "playbooks.yml", all_actions()
    path.write_text(PLAYBOOK)
    healer = Healer(load_playbooks([path], actions), actions, lambda _expression, _at: [], SafetyConfig(dry_run=dry_run))
    feed(healer, ("cart", "shop"))
    healer.on_alert(Alert("cart"), START)
    healer.advance(START)
    if not dry_run:
        assert healer.runs()[0].call.arguments["headers"] == {"Authorization": "Bearer s3cret"}
    documents, _ = healer.outbox()
    assert {document.kind for document in documents} == {Kind.AUDIT, Kind.INCIDENT}
    stored = [orjson.dumps(document.body) for document in documents]
    assert not any(b"s3cret" in body for body in stored)
    assert any(b'"headers":{"Authorization":"***"}' in body for body in stored)
    assert verify(document.body for document in documents if document.kind is Kind.AUDIT) == []


def test_each_document_of_an_incident_has_the_time_of_its_change(tmp_path: Path) -> None:
    world = Processes(sick={"cart/a"})
    made = healer(playbooks(tmp_path), world)
    assert (made.environment, made.journal.chain.name) == ("default", Chain("default").name)
    made.on_alert(Alert("cart"), START)
    made.advance(START + SECOND)
    made.on_result(Result(made.runs()[0].id, ok=True), START + 2 * SECOND)
    incidents = [document for document in made.outbox()[0] if document.kind is Kind.INCIDENT]
    assert [document.time for document in incidents] == [START + SECOND, START + 2 * SECOND]
    for document in incidents:
        assert document.id == f"{document.body['id']}.{document.body['revision']}"
