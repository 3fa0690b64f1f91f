"""External labels: what they are added to, and what happens to alerts when they change."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from pydantic import TypeAdapter, ValidationError

from alerting.alert_state import AlertChange, AlertState, fingerprint
from alerting.alertmanager.config import parse_config
from alerting.alertmanager.manager import Alertmanager
from alerting.alertmanager.silences import Silence
from alerting.alerts import StoredAlert
from alerting.external_labels import ExternalLabels
from alerting.notify.sender import Delivery
from alerting.promql.matchers import parse_matchers
from alerting.rules.engine import AlertEngine
from alerting.rules.files import parse_rules
from components.durations import HOUR, MINUTE, SECOND
from spanloom.components import NOTIFIERS
from telemetry.metrics import Point, Series

if TYPE_CHECKING:
    from alerting.notify.notification import Notification

START = 1_700_000_000 * SECOND
CONFIG = """
route:
  receiver: team
  group_by: [alertname, site]
  group_wait: 1s
  group_interval: 10s
receivers:
- {name: team, webhook_configs: [{url: "http://127.0.0.1:9/hook"}]}
"""
OWN = {"alertname": "Slow", "service": "cart"}


def manager(**external: str) -> Alertmanager:
    return Alertmanager(parse_config(CONFIG, "am.yml", NOTIFIERS), external_labels=external)


def change(state: AlertState = AlertState.FIRING, **labels: str) -> AlertChange:
    own = OWN | labels
    ended = START + MINUTE if state is AlertState.RESOLVED else 0
    return AlertChange(fingerprint(own), state, own, {}, 1.0, ended or START, START, START, ended)


def notified(held: Alertmanager, now: int) -> list[Notification]:
    found = held.advance(now).notifications
    for notification in found:
        held.settle(Delivery(notification, delivered=True, attempts=1, time=now))
    return found


def test_routes_receivers_and_silences_see_them_and_a_label_of_the_alert_itself_stays() -> None:
    held = manager(site="a", service="gateway")
    held.handle([change()], START)
    (sent,) = notified(held, START + 2 * SECOND)
    (alert,) = sent.firing
    assert alert.labels == {"alertname": "Slow", "service": "cart", "site": "a"}
    assert alert.fingerprint == fingerprint(alert.labels), "as the Alertmanager that gets it would call it"
    assert sent.group_labels == {"alertname": "Slow", "site": "a"}
    silence = Silence(tuple(parse_matchers('site="a"')), START, START + HOUR, "me", "x")
    held.silences.put(silence, START)
    held.see_alerts(START + 3 * SECOND)
    assert held.muting(alert, START + 3 * SECOND).silenced_by


def test_documents_name_an_alert_as_its_rule_does() -> None:
    held = manager(site="a")
    held.handle([change()], START)
    (sent,) = held.advance(START + 2 * SECOND).notifications
    document = held.settle(Delivery(sent, delivered=True, attempts=1, time=START))
    assert document.body["alerts"] == [fingerprint(OWN)]


def test_what_others_post_has_their_labels() -> None:
    held = manager(site="a")
    labels = {"alertname": "Posted"}
    held.put(StoredAlert(labels, {}, START, START + HOUR, START, "", fingerprint(labels)), START)
    (sent,) = notified(held, START + 2 * SECOND)
    assert sent.firing[0].labels == labels


def restarted(held: Alertmanager, **external: str) -> Alertmanager:
    again = manager(**external)
    again.restore(json.loads(json.dumps(held.snapshot())))
    return again


@pytest.mark.parametrize("before", [{"site": "a"}, {}])
def test_after_a_change_alerts_resolve_and_fire_under_the_new_labels(before: dict[str, str]) -> None:
    held = manager(**before)
    held.handle([change()], START)
    assert len(notified(held, START + 2 * SECOND)) == 1
    again = restarted(held, site="b")
    again.handle([change()], START + 20 * SECOND)  # as the engine offers it after the restart
    told = notified(again, START + 20 * SECOND)
    assert [[(a.labels.get("site"), a.resolved(START + 20 * SECOND)) for a in one.alerts] for one in told] == [
        [(before.get("site"), True)],
        [("b", False)],
    ]
    once_more = restarted(again, site="b")
    once_more.handle([change()], START + 40 * SECOND)
    assert notified(once_more, START + 40 * SECOND) == []
    once_more.handle([change(AlertState.RESOLVED)], START + MINUTE)
    (over,) = notified(once_more, START + MINUTE + SECOND)
    assert [alert.labels["site"] for alert in over.resolved] == ["b"]


def test_notices_of_repairs_are_relabelled_too_and_posted_alerts_are_not() -> None:
    held = manager(site="a")
    posted = {"alertname": "Posted"}
    held.put(StoredAlert(posted, {}, START, START + HOUR, START, "", fingerprint(posted)), START)
    notice = {"alertname": "RepairEscalated", "incident": "1"}
    held.put_own(StoredAlert(notice, {}, START, 0, START, "", fingerprint(notice)), START)
    again = restarted(held)
    again.advance(START + SECOND)
    firing = [alert.labels for alert in again.alert_store if not alert.resolved(START + SECOND)]
    assert sorted(firing, key=str) == sorted([posted, notice], key=str)


def test_an_alert_is_found_by_the_fingerprint_that_its_rule_knows() -> None:
    held = manager(site="a")
    held.handle([change()], START)
    (alert,) = held.alert_store
    assert held.alert_store.of_rule(fingerprint(OWN)) is alert
    assert held.alert_store.of_rule(alert.fingerprint) is alert
    assert held.alert_store.of_rule("none") is None


def test_templates_of_rules_see_them_and_series_of_alerts_do_not() -> None:
    rules = """
groups:
- name: g
  interval: 1s
  rules:
  - alert: Slow
    expr: up == 0
    annotations: {a: "{{ $externalLabels.site }}", b: "{{ .ExternalLabels.site }}", c: "{{ $externalLabels.none }}"}
"""
    engine = AlertEngine(parse_rules(rules, "r.yml"), external_labels={"site": "a"})
    engine.add([Point(Series("up", ()), START, 0.0)])
    (change,) = engine.advance(START)
    assert change.annotations == {"a": "a", "b": "a", "c": ""}
    assert "site" not in change.labels
    assert [labels for labels, _ in engine.query("ALERTS", START)] == [
        {"__name__": "ALERTS", "alertname": "Slow", "alertstate": "firing"}
    ]


@pytest.mark.parametrize(
    ("labels", "reason"),
    [({"a-b": "c"}, "not a label name"), ({"__name__": "x"}, "not a label name"), ({"": "x"}, "not a label name"),
     ({"a": "x" * 1025}, "at most 1024"), ({f"l{i}": "x" for i in range(51)}, "at most 50")],
)  # fmt: skip
def test_wrong_ones_are_refused(labels: dict[str, str], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        TypeAdapter(ExternalLabels).validate_python(labels)


def test_one_without_a_value_is_none() -> None:
    assert TypeAdapter(ExternalLabels).validate_python({"site": "", "zone": "1"}) == {"zone": "1"}


def test_what_was_added_and_whose_it_is_are_known_after_a_restart_also_of_what_the_release_before_saved() -> None:
    held = manager(site="a")
    held.handle([change()], START)
    again = restarted(held, site="a")
    (stored,) = again.alert_store
    assert (stored.own, stored.added, stored.document_fingerprint) == (True, {"site": "a"}, fingerprint(OWN))
    ((*_, alerts),) = again.groups.members()
    assert [alert.document_fingerprint for alert in alerts] == [fingerprint(OWN)]
    held = manager()
    held.handle([change()], START)
    posted = {"alertname": "Posted"}
    held.put(StoredAlert(posted, {}, START, START + HOUR, START, "", fingerprint(posted)), START)
    state = json.loads(json.dumps(held.snapshot()))
    del state["marks"], state["external_labels"]
    again = manager()
    again.restore(state)
    assert {alert.labels["alertname"]: alert.own for alert in again.alert_store} == {"Slow": True, "Posted": False}
