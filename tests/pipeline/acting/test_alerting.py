"""Rules, the board of alerts and notifications together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from alerting.alert_state import fingerprint
from alerting.alerts import StoredAlert
from components.durations import HOUR
from telemetry.documents import Kind
from tests.pipeline.test_act import SECOND, World

if TYPE_CHECKING:
    from pathlib import Path

RULES = """
groups:
- name: depths
  interval: 5s
  rules:
  - alert: Deep
    expr: queue_depth > 10
    annotations: {summary: "{{ $value }}"}
"""


def posted(name: str, starts: int, ends: int) -> StoredAlert:
    labels = {"alertname": name}
    return StoredAlert(labels, {}, starts, ends, starts, fingerprint=fingerprint(labels))


async def test_an_alert_for_which_there_was_no_room_is_reported_when_there_is(tmp_path: Path) -> None:
    world = World(tmp_path, RULES)
    await world.begin()
    manager = world.alerting.alertmanager
    manager.alert_store.max_alerts = 1
    manager.put(posted("FromPrometheus", world.time, world.time + SECOND), world.time)
    await world.seconds(60, 50.0)
    assert ("firing", ["Deep"]) not in world.pager.got
    assert manager.alert_store.refused > 0
    world.time += HOUR  # by now what is resolved is forgotten
    await world.seconds(30, 50.0)
    assert world.pager.got[-1] == ("firing", ["Deep"])


async def test_a_repetition_says_what_the_rule_says_now(tmp_path: Path) -> None:
    world = World(tmp_path, RULES)
    await world.begin()
    await world.seconds(10, 50.0)
    await world.seconds(30, 70.0)
    (alert,) = world.alerting.alertmanager.alert_store
    assert alert.annotations == {"summary": "70"}
    ((_, _, _, (reported,)),) = world.alerting.alertmanager.groups.members()
    assert reported == alert


async def test_a_delivery_that_ends_while_receivers_change_has_its_document(tmp_path: Path) -> None:
    world = World(tmp_path, RULES)
    await world.begin()
    alerting = world.alerting
    manager = alerting.alertmanager
    manager.put(posted("FromPrometheus", world.time, 0), world.time)
    await world.stage.tick()
    await asyncio.sleep(0)
    await alerting.replace_receivers(manager.config, alerting.sender.notifiers)
    world.time += SECOND
    documents = (await alerting.advance(world.time)).documents
    assert [document.body["outcome"] for document in documents if document.kind is Kind.NOTIFICATION] == ["delivered"]
