"""When groups of alerts are told of. The oracle is Alertmanager's documentation of group_wait and its siblings."""

from __future__ import annotations

import json

from alerting.alert_state import fingerprint
from alerting.alertmanager.dispatch import AlertGroups, Suppression
from alerting.alertmanager.routes import Route
from alerting.alerts import StoredAlert
from alerting.notify.notification import Integration, Notification
from alerting.promql.matchers import parse_matchers
from components.durations import HOUR, MINUTE, SECOND

START = 1_700_000_000 * SECOND
ROUTE = Route("team", group_by=frozenset(("alertname",)))
HOOK = Integration("team", "webhook")


def alert(service: str, *, starts: int = START, ends: int = 0) -> StoredAlert:
    labels = {"alertname": "Slow", "service": service}
    return StoredAlert(labels, {}, starts, ends, max(starts, ends), fingerprint=fingerprint(labels))


def groups(route: Route = ROUTE, integration: Integration = HOOK) -> AlertGroups:
    return AlertGroups(route, {route.receiver: [integration]}, lambda _alert, _route, _now: None)


def deliver(state: AlertGroups, now: int) -> list[Notification]:
    """Look, and let every delivery succeed."""
    sent = state.flush(now).notifications
    for notification in sent:
        state.settle(notification, now, delivered=True)
    return sent


def services(notification: Notification) -> tuple[list[str], list[str]]:
    return (
        [held.labels["service"] for held in notification.firing],
        [held.labels["service"] for held in notification.resolved],
    )


def test_the_first_notification_waits_for_the_group_to_gather() -> None:
    state = groups()
    state.put(alert("a"), START)
    state.put(alert("b"), START + 10 * SECOND)
    assert deliver(state, START + 29 * SECOND) == []
    (sent,) = deliver(state, START + 30 * SECOND)
    assert services(sent) == (["a", "b"], [])
    assert sent.group_key == '{}:{alertname="Slow"}'


def test_a_new_alert_of_the_group_is_reported_at_the_next_interval() -> None:
    state = groups()
    state.put(alert("a"), START)
    deliver(state, START + 30 * SECOND)
    state.put(alert("b"), START + 40 * SECOND)
    assert deliver(state, START + 5 * MINUTE) == []
    (sent,) = deliver(state, START + 30 * SECOND + 5 * MINUTE)
    assert services(sent) == (["a", "b"], [])


def test_what_did_not_change_is_reported_again_only_after_the_repeat_interval() -> None:
    state = groups()
    state.put(alert("a"), START)
    times = [now for now in range(START, START + 9 * HOUR, MINUTE) if deliver(state, now)]
    assert [round((time - START) / HOUR, 1) for time in times] == [0.0, 4.1, 8.2]


def test_a_resolved_alert_is_reported_once_and_forgotten() -> None:
    state = groups()
    state.put(alert("a"), START)
    deliver(state, START + MINUTE)
    state.put(alert("a", ends=START + 2 * MINUTE), START + 2 * MINUTE)
    (sent,) = deliver(state, START + 6 * MINUTE)
    assert services(sent) == ([], ["a"])
    assert sent.status == "resolved"
    assert len(state) == 0
    assert deliver(state, START + HOUR) == []


def test_an_alert_that_resolves_before_it_was_reported_is_never_reported() -> None:
    state = groups()
    state.put(alert("a"), START)
    state.put(alert("a", ends=START + SECOND), START + SECOND)
    assert deliver(state, START + HOUR) == []
    assert len(state) == 0


def test_who_does_not_want_resolved_alerts_gets_none_but_hears_of_the_next_fire() -> None:
    state = groups(integration=Integration("team", "webhook", send_resolved=False))
    state.put(alert("a"), START)
    assert len(deliver(state, START + MINUTE)) == 1
    state.put(alert("a", ends=START + 2 * MINUTE), START + 2 * MINUTE)
    assert deliver(state, START + 6 * MINUTE) == []
    state.put(alert("a", starts=START + 7 * MINUTE), START + 7 * MINUTE)
    assert len(deliver(state, START + 8 * MINUTE)) == 1


def test_a_delivery_that_failed_is_tried_again_at_the_next_look_under_the_same_key() -> None:
    state = groups()
    state.put(alert("a"), START)
    (first,) = state.flush(START + MINUTE).notifications
    assert state.flush(START + 7 * MINUTE).notifications == [], "one in flight is not sent twice"
    state.settle(first, START + 8 * MINUTE, delivered=False)
    (second,) = state.flush(START + 13 * MINUTE).notifications
    assert second.key == first.key
    state.settle(second, START + 13 * MINUTE, delivered=True)
    state.put(alert("a", ends=START + 14 * MINUTE), START + 14 * MINUTE)
    (third,) = state.flush(START + 20 * MINUTE).notifications
    assert third.key != first.key


def test_a_snapshot_remembers_what_was_reported() -> None:
    state = groups()
    state.put(alert("a"), START)
    deliver(state, START + MINUTE)
    restored = groups()
    restored.restore(json.loads(json.dumps(state.snapshot())))
    assert deliver(restored, START + HOUR) == []
    restored.put(alert("a", ends=START + HOUR), START + HOUR)
    (sent,) = deliver(restored, START + 2 * HOUR)
    assert services(sent) == ([], ["a"])


def test_what_was_in_flight_at_a_crash_is_sent_again_under_the_same_key() -> None:
    state = groups()
    state.put(alert("a"), START)
    saved = json.loads(json.dumps(state.snapshot()))
    (lost,) = state.flush(START + MINUTE).notifications
    restored = groups()
    restored.restore(saved)
    (again,) = restored.flush(START + 2 * MINUTE).notifications
    assert again.key == lost.key


def test_a_suppressed_alert_is_omitted_with_its_reason() -> None:
    def muted(held: StoredAlert, _route: Route, _now: int) -> Suppression | None:
        return Suppression(held, "silence", "s1") if held.labels["service"] == "b" else None

    state = AlertGroups(ROUTE, {"team": [HOOK]}, muted)
    state.put(alert("a"), START)
    state.put(alert("b"), START)
    look = state.flush(START + MINUTE)
    assert services(look.notifications[0]) == (["a"], [])
    assert [(item.alert.labels["service"], item.by, item.reason) for item in look.suppressions] == [("b", "silence", "s1")]


def test_an_alert_takes_the_first_child_route_that_matches_and_more_where_one_continues() -> None:
    pages = Route("pager", parse_matchers('severity="page"'), continues=True, key='{}/{severity="page"}')
    teams = Route("team-a", parse_matchers('team=~"a|b"'), key='{}/{team=~"a|b"}')
    rest = Route("other", parse_matchers('team!=""'), key='{}/{team!=""}')
    root = Route("default", routes=(pages, teams, rest))
    found = {
        "page of a": [route.receiver for route in root.match({"severity": "page", "team": "a"})],
        "a": [route.receiver for route in root.match({"team": "a"})],
        "c": [route.receiver for route in root.match({"team": "c"})],
        "none": [route.receiver for route in root.match({})],
    }
    assert found == {"page of a": ["pager", "team-a"], "a": ["team-a"], "c": ["other"], "none": ["default"]}


def test_three_dots_make_a_group_of_each_alert() -> None:
    state = groups(Route("team", group_by=frozenset(("...",))))
    state.put(alert("a"), START)
    state.put(alert("ü"), START)
    keys = [sent.group_key for sent in deliver(state, START + MINUTE)]
    assert keys == ['{}:{alertname="Slow", service="a"}', '{}:{alertname="Slow", service="ü"}']
