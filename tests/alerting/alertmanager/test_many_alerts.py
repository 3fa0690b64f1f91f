"""Ten thousand alerts with labels of any script: rules, notifications, texts, the API, and a restart."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from alerting.alertmanager.api import AlertmanagerApi
from alerting.alertmanager.config import parse_config
from alerting.alertmanager.manager import Alertmanager
from alerting.gotemplates.execute import MAX_OUTPUT
from alerting.notify.default_templates import TEXT
from alerting.notify.notification import template_data
from alerting.notify.sender import MAX_NAMED, Delivery
from alerting.notify.text import compile_texts
from alerting.rules.engine import AlertEngine
from alerting.rules.files import parse_rules
from components.durations import SECOND
from pipeline.state.table import StageTable
from spanloom.components import NOTIFIERS
from telemetry.metrics import Point, Series
from tests.pipeline.state.test_table import Table

if TYPE_CHECKING:
    from alerting.notify.notification import Notification

START = 1_700_000_100 * SECOND
ALERTS = 10_000
RULES = """
groups:
- name: queues
  interval: 15s
  rules:
  - alert: Deep
    expr: depth > 1
    annotations: {summary: "{{ $labels.service }} is at {{ $value | humanize }}"}
"""
CONFIG = """
route: {receiver: a, group_by: [alertname], group_wait: 0s, group_interval: 5s}
receivers: [{name: a, webhook_configs: [{url: "http://127.0.0.1:1/", max_alerts: 100}]}]
topology_inhibit_rules: [{culprit_matchers: ['alertname="ServiceCulprit"']}]
"""
NAMES = ("käse", "購物車", "корзина", "🛒", 'a"b\n\\', "\u202eנגד")


@pytest.fixture(scope="module")
def storm() -> tuple[AlertEngine, Alertmanager, Notification]:
    """All of them fire at once, in one group."""
    engine = AlertEngine(parse_rules(RULES, "r.yml"))
    engine.add(
        Point(Series("depth", (("instance", f"i{i}"), ("service", f"{NAMES[i % len(NAMES)]}-{i % 300}"))), START, 2.0 + i % 10)
        for i in range(ALERTS)
    )
    manager = Alertmanager(parse_config(CONFIG, "am.yml", NOTIFIERS), "http://x")
    changes = engine.advance(START)
    manager.handle(changes, START)
    (notification,) = manager.advance(START + SECOND).notifications
    return engine, manager, notification


def test_one_notification_tells_of_all_and_is_truncated_as_asked(storm: tuple[AlertEngine, Alertmanager, Notification]) -> None:
    notification = storm[2]
    assert len(notification.firing) == ALERTS
    body = template_data(notification, "http://x", 100)
    assert (len(body["alerts"]), body["truncatedAlerts"]) == (100, ALERTS - 100)
    begin = time.process_time()
    whole = orjson.dumps(template_data(notification, "http://x"))
    assert time.process_time() - begin < 5, "not every alert against every other"
    assert orjson.loads(whole)["alerts"][5]["labels"]["service"].partition("-")[0] in NAMES
    texts = compile_texts({"text": TEXT}, "http://x")
    assert len(texts.render("text", notification)) == MAX_OUTPUT
    assert texts.counts.failed == 0, "long is not wrong"


def test_the_document_of_its_delivery_stays_small(storm: tuple[AlertEngine, Alertmanager, Notification]) -> None:
    document = Delivery(storm[2], delivered=True, attempts=1, time=START).document()
    assert len(document.body["alerts"]) == MAX_NAMED
    assert document.body["firing"] == ALERTS


def test_the_api_gives_all_and_those_that_match(storm: tuple[AlertEngine, Alertmanager, Notification]) -> None:
    async def saved() -> None:
        pass

    api = AlertmanagerApi(lambda: {"default": storm[1]}, lambda: START + 2 * SECOND, saved)
    http = TestClient(Starlette(routes=api.routes()))
    assert len(http.get("/api/v2/alerts").json()) == ALERTS
    (group,) = http.get("/api/v2/alerts/groups", params={"filter": 'service="🛒-3"'}).json()
    assert {alert["labels"]["service"] for alert in group["alerts"]} == {"🛒-3"}


async def test_a_restart_finds_them_all_in_rows_that_brokers_take(
    storm: tuple[AlertEngine, Alertmanager, Notification],
) -> None:
    engine, manager, notification = storm
    table: Any = Table()
    state = StageTable(table, "state", 1)
    for name, part in (("engine", engine), ("alertmanager", manager)):
        await state.save(0, name, part.snapshot())
    assert max(len(value or b"") for _, _, value in table.changelog) < 1 << 20
    restored: dict[str, Any] = {
        "engine": AlertEngine(parse_rules(RULES, "r.yml")),
        "alertmanager": Alertmanager(parse_config(CONFIG, "am.yml", NOTIFIERS), "http://x"),
    }
    for name, part in restored.items():
        part.restore(StageTable(table, "state", 1).load(0, name) or {})
    assert len(restored["engine"].active()) == ALERTS
    (again,) = restored["alertmanager"].advance(START + 6 * SECOND).notifications
    assert again.key == notification.key, "what was on its way comes again, under the same key"
