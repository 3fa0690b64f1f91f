"""Configuration, silences, inhibition, intervals, and the whole of it over time."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from alerting.alert_state import fingerprint
from alerting.alertmanager.config import parse_config
from alerting.alertmanager.inhibition import CallPaths
from alerting.alertmanager.manager import Alertmanager
from alerting.alertmanager.silences import Silence, Silences, SilenceState
from alerting.alertmanager.time_intervals import TimeInterval
from alerting.alerts import AlertStore, StoredAlert
from alerting.notify.sender import Delivery
from alerting.promql.matchers import parse_matchers
from components.durations import HOUR, MINUTE, SECOND
from spanloom.components import NOTIFIERS
from telemetry.documents import Document, Kind
from telemetry.errors import ConfigError, InputError, OverloadedError

if TYPE_CHECKING:
    from pathlib import Path

    from alerting.notify.notification import Notification

START = 1_700_000_000 * SECOND
CONFIG = """
global:
  resolve_timeout: 3m
route:
  receiver: team
  group_by: [alertname]
  group_wait: 10s
  group_interval: 1m
  routes:
  - matchers: [severity="page", 'team=~"a|b"']
    receiver: pager
    continue: true
    repeat_interval: 1h
  - match: {severity: low}
    active_time_intervals: [office]
receivers:
- name: team
  webhook_configs:
  - url: http://127.0.0.1:9/hook
- name: pager
  pagerduty_configs:
  - routing_key: secret
inhibit_rules:
- source_matchers: [severity="page"]
  target_matchers: [severity="ticket"]
  equal: [service]
topology_inhibit_rules:
- culprit_matchers: [alertname="Culprit"]
time_intervals:
- name: office
  time_intervals:
  - weekdays: ["monday:friday"]
    times: [{start_time: "09:00", end_time: "17:00"}]
"""


def alert(name: str, service: str, severity: str = "warning", *, starts: int = START, ends: int = 0) -> StoredAlert:
    labels = {"alertname": name, "service": service, "severity": severity}
    return StoredAlert(labels, {"summary": name}, starts, ends, max(starts, ends), fingerprint=fingerprint(labels))


def manager(config: str = CONFIG) -> Alertmanager:
    return Alertmanager(parse_config(config, "am.yml", NOTIFIERS), "http://spanloom")


def deliver(state: Alertmanager, now: int) -> tuple[list[Notification], list[Document]]:
    step = state.advance(now)
    for notification in step.notifications:
        state.settle(Delivery(notification, delivered=True, attempts=1, time=now))
    return step.notifications, step.documents


def services(notifications: list[Notification]) -> list[str]:
    return [held.labels["service"] for notification in notifications for held in notification.firing]


def test_every_part_of_the_file_is_read() -> None:
    config = parse_config(CONFIG, "am.yml", NOTIFIERS)
    pager, low = config.root.routes
    assert (pager.receiver, pager.continues, pager.repeat_interval, pager.group_wait) == ("pager", True, HOUR, 10 * SECOND)
    assert pager.key == '{}/{severity="page",team=~"a|b"}'
    assert (low.receiver, low.active_time_intervals, low.group_interval) == ("team", ("office",), MINUTE)
    assert config.resolve_timeout == 3 * MINUTE
    assert [integration.id for every in config.integrations.values() for integration in every] == [
        "team/webhook[0]",
        "pager/pagerduty[0]",
    ]


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("receiver: team\n", "receiver: nobody\n", 5, 'receiver "nobody" is not defined'),
        ("  receiver: team\n", "", 4, "the root route needs a receiver"),
        ("[office]", "[night]", 15, 'time interval "night" is not defined'),
        ("group_interval: 1m", "group_interval: 0s", 8, "group_interval cannot be zero"),
        ("group_wait: 10s", "group_waits: 10s", 7, "unknown field"),
        ('severity="page", ', "severity&page, ", 10, "matchers"),
        ("- name: pager", "- name: team", 20, 'receiver "team" is defined twice'),
        ('"monday:friday"', '"monday:fryday"', 32, "is not a range"),
        ('"09:00"', '"9:00"', 33, "is not a time of day"),
        ("group_by: [alertname]", 'group_by: ["...", alertname]', 6, 'cannot have other labels beside "..."'),
        (
            "routing_key: secret",
            "routing_key: secret\n    description: '{{ .Status | nosuch }}'",
            23,
            'function "nosuch" not defined',
        ),
        ("pagerduty_configs:\n  - routing_key: secret", "slack_configs:\n  - channel: x", 22, "no api_url"),
    ],
)
def test_a_wrong_configuration_names_line_and_reason(old: str, new: str, line: int, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(CONFIG.replace(old, new, 1), "am.yml", NOTIFIERS)
    assert message in str(caught.value)
    assert f"am.yml:{line}:" in str(caught.value)


def test_routes_that_contain_themselves_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"am\.yml:3:\d+: contains itself"):
        parse_config("route:\n  receiver: x\n  routes: &r\n  - routes: *r\nreceivers: [{name: x}]\n", "am.yml", NOTIFIERS)


def test_a_page_inhibits_the_ticket_of_its_service_and_the_reason_is_a_document() -> None:
    state = manager()
    state.put(alert("Down", "cart", "page"), START)
    state.put(alert("Slow", "cart", "ticket"), START)
    state.put(alert("Slow", "pay", "ticket"), START)
    sent, documents = deliver(state, START + MINUTE)
    assert sorted(services(sent)) == ["cart", "pay"]
    (document,) = documents
    assert document.kind is Kind.NOTIFICATION
    assert (document.body["outcome"], document.body["by"], document.body["reason"]) == (
        "suppressed",
        "inhibition",
        alert("Down", "cart", "page").fingerprint,
    )
    _, again = deliver(state, START + 3 * MINUTE)
    assert again[0].id == document.id, "looking again says nothing new"


def test_callers_of_a_culprit_are_grouped_under_it_with_the_path_of_edges() -> None:
    state = manager()
    state.see_calls([("web", "cart"), ("cart", "db"), ("web", "ads"), ("mail", "queue")], START)
    state.put(alert("Culprit", "db", "page"), START)
    for service in ("web", "cart", "mail"):
        state.put(alert("Slow", service), START)
    sent, documents = deliver(state, START + MINUTE)
    assert sorted(services(sent)) == ["db", "mail"]
    paths = {document.body["labels"]["service"]: document.body["path"] for document in documents}
    assert paths == {"web": ["web", "cart", "db"], "cart": ["cart", "db"]}
    (culprit,) = [held for item in sent for held in item.firing if held.labels["service"] == "db"]
    assert culprit.annotations["callers"] == "cart -> db; web -> cart -> db"


def test_a_culprit_that_calls_another_one_is_explained_by_it() -> None:
    state = manager()
    state.see_calls([("web", "cart"), ("cart", "db")], START)
    for service in ("web", "db"):
        state.put(alert("Culprit", service, "page"), START)
    sent, documents = deliver(state, START + MINUTE)
    assert services(sent) == ["db"]
    assert [document.body["path"] for document in documents] == [["web", "cart", "db"]]


def test_culprits_that_call_each_other_are_both_heard() -> None:
    state = manager()
    state.see_calls([("web", "cart"), ("cart", "web"), ("shop", "web")], START)
    for service in ("web", "cart"):
        state.put(alert("Culprit", service, "page"), START)
    state.put(alert("Slow", "shop"), START)
    sent, _ = deliver(state, START + MINUTE)
    assert sorted(services(sent)) == ["cart", "web"]


class TestAfterTheCulpritResolved:
    """It fired from the first minute to the second, and explains until the fourth."""

    END = START + 2 * MINUTE

    def resolved(self, *more: StoredAlert) -> Alertmanager:
        state = manager()
        state.see_calls([("web", "cart"), ("cart", "db")], START)
        for each in (alert("Culprit", "db"), *more):
            state.put(each, START)
        deliver(state, START + MINUTE)
        state.put(alert("Culprit", "db", ends=self.END), self.END)
        return state

    def test_callers_are_heard_when_it_explains_them_no_longer(self) -> None:
        state = self.resolved(alert("Slow", "web"))
        sent, documents = deliver(state, self.END + MINUTE)
        assert services(sent) == []
        (body,) = (document.body for document in documents)
        assert (body["by"], body["path"], body["until"]) == ("inhibition", ["web", "cart", "db"], self.END + 2 * MINUTE)
        assert services(deliver(state, self.END + 2 * MINUTE)[0]) == ["web"]

    def test_what_flaps_meanwhile_is_not_heard_at_all(self) -> None:
        state = self.resolved(alert("Slow", "web"))
        state.put(alert("Slow", "web", ends=self.END + 10 * SECOND), self.END + 10 * SECOND)
        state.put(alert("Slow", "web", starts=self.END + 30 * SECOND), self.END + 30 * SECOND)
        state.put(alert("Failing", "cart", starts=self.END + 40 * SECOND), self.END + 40 * SECOND)
        assert services(deliver(state, self.END + MINUTE)[0]) == []
        for name, service in (("Slow", "web"), ("Failing", "cart")):
            state.put(alert(name, service, ends=self.END + 90 * SECOND), self.END + 90 * SECOND)
        assert deliver(state, self.END + 5 * MINUTE)[0] == []

    def test_a_culprit_that_it_explained_stays_explained_but_a_new_one_is_heard(self) -> None:
        state = self.resolved(alert("Culprit", "cart"))
        state.put(alert("Culprit", "web", starts=self.END + 30 * SECOND), self.END + 30 * SECOND)
        assert services(deliver(state, self.END + MINUTE)[0]) == ["web"]

    def test_what_resolves_meanwhile_is_told_so_at_once(self) -> None:
        state = manager()
        state.see_calls([("web", "db")], START)
        state.put(alert("Slow", "web"), START)
        assert services(deliver(state, START + 10 * SECOND)[0]) == ["web"], "before anybody knew the culprit"
        state.put(alert("Culprit", "db", starts=START + 20 * SECOND), START + 20 * SECOND)
        state.put(alert("Culprit", "db", ends=self.END), self.END)
        state.put(alert("Slow", "web", ends=self.END + SECOND), self.END + SECOND)
        sent, _ = deliver(state, self.END + MINUTE)
        assert ("web", "resolved") in [(held.labels["service"], each.status) for each in sent for held in each.resolved]

    def test_a_restart_changes_nothing(self) -> None:
        state = self.resolved(alert("Slow", "web"))
        restored = manager()
        restored.restore(json.loads(json.dumps(state.snapshot())))
        assert services(deliver(restored, self.END + MINUTE)[0]) == []
        assert services(deliver(restored, self.END + 2 * MINUTE)[0]) == ["web"]

    def test_how_long_is_said_in_the_file_and_bounded_by_how_long_it_is_remembered(self) -> None:
        text = CONFIG.replace('[alertname="Culprit"]', '[alertname="Culprit"]\n  afterwards: 16m')
        with pytest.raises(ConfigError, match="afterwards"):
            parse_config(text, "am.yml", NOTIFIERS)
        (rule,) = parse_config(text.replace("16m", "0s"), "am.yml", NOTIFIERS).topology
        assert rule.afterwards == 0


def test_a_call_that_has_not_been_seen_for_long_is_no_path() -> None:
    calls = CallPaths(keep=10)
    calls.add([("a", "b")], 0)
    calls.add([("b", "c")], 8)
    assert calls.path("a", frozenset("c")) == ("a", "b", "c")
    calls.add((), 11)
    assert calls.path("a", frozenset("c")) == ()
    calls.add([("c", "b"), ("b", "b")], 12)
    assert calls.path("c", frozenset("x")) == (), "a circle of calls ends"


def test_a_silence_mutes_while_it_lasts() -> None:
    state = manager()
    silence = Silence(parse_matchers('service="cart"'), START, START + 5 * MINUTE, "me", "known")
    identity = state.silences.put(silence, START)
    state.put(alert("Slow", "cart"), START)
    sent, documents = deliver(state, START + MINUTE)
    assert sent == []
    assert (documents[0].body["by"], documents[0].body["reason"]) == ("silence", identity)
    sent, _ = deliver(state, START + 6 * MINUTE)
    assert services(sent) == ["cart"]


def test_a_route_is_heard_only_in_its_active_intervals() -> None:
    night = int(datetime(2023, 11, 15, 3, tzinfo=UTC).timestamp()) * SECOND
    state = manager()
    state.put(alert("Slow", "cart", "low", starts=night), night)
    sent, documents = deliver(state, night + MINUTE)
    assert (sent, documents[0].body["reason"]) == ([], "outside of office")
    sent, _ = deliver(state, night + 7 * HOUR)
    assert services(sent) == ["cart"]


def test_a_snapshot_brings_everything_back() -> None:
    state = manager()
    state.silences.put(Silence(parse_matchers('service=~"c.*"'), START, START + HOUR, "me", "known"), START)
    state.see_calls([("web", "cart")], START)
    state.put(alert("Slow", "cart"), START)
    state.put(alert("Slow", "ümlaut"), START)
    deliver(state, START + MINUTE)
    saved = json.loads(json.dumps(state.snapshot()))
    restored = manager()
    restored.restore(saved)
    assert restored.snapshot() == saved
    assert deliver(restored, START + 10 * MINUTE)[0] == []
    with pytest.raises(InputError, match="version 9"):
        restored.restore({"version": 9})


def test_a_new_configuration_keeps_what_was_reported() -> None:
    state = manager()
    state.put(alert("Slow", "cart"), START)
    deliver(state, START + MINUTE)
    state.replace_config(parse_config(CONFIG.replace("resolve_timeout: 3m", "resolve_timeout: 4m"), "am.yml", NOTIFIERS), START)
    assert deliver(state, START + 10 * MINUTE)[0] == []


def test_thousands_of_alerts_are_looked_at_and_more_than_the_bound_are_refused() -> None:
    state = manager()
    state.alert_store = AlertStore(max_alerts=5000)
    state.see_calls([(f"s{i}", "db") for i in range(2500)], START)
    state.put(alert("Culprit", "db", "page"), START)
    for i in range(4999):
        state.put(alert("Slow", f"s{i}", "ticket"), START)
    sent, documents = deliver(state, START + MINUTE)
    assert (len(services(sent)), len(documents)) == (2500, 2500)
    with pytest.raises(OverloadedError, match="5000 alerts are held"):
        state.put(alert("Slow", "one more"), START)
    assert state.alert_store.refused == 1


class TestSilences:
    def silence(self, starts: int = START, ends: int = START + HOUR, matchers: str = 'a="b"') -> Silence:
        return Silence(parse_matchers(matchers), starts, ends, "me", "why")

    def test_a_silence_is_pending_then_active_then_expired(self) -> None:
        silence = self.silence(START + MINUTE, START + HOUR)
        states = [silence.state(now) for now in (START, START + MINUTE, START + HOUR - 1, START + HOUR)]
        assert states == [SilenceState.PENDING, SilenceState.ACTIVE, SilenceState.ACTIVE, SilenceState.EXPIRED]

    def test_one_that_has_begun_is_prolonged_in_place_but_not_turned_on_others(self) -> None:
        silences = Silences()
        identity = silences.put(self.silence(), START)
        longer = Silence(parse_matchers('a="b"'), START, START + 2 * HOUR, "me", "why", identity)
        assert silences.put(longer, START + MINUTE) == identity
        other = Silence(parse_matchers('a="c"'), START, START + 2 * HOUR, "me", "why", identity)
        new = silences.put(other, START + 2 * MINUTE)
        assert new != identity
        assert silences.matching({"a": "b"}, START + 3 * MINUTE) == []
        assert silences.matching({"a": "c"}, START + 3 * MINUTE) == [new]

    @pytest.mark.parametrize(
        ("silence", "reason"),
        [
            (("", START, START + HOUR), "at least one matcher"),
            (('a=~".*"', START, START + HOUR), "at least one matcher"),
            (('a="b"', START, START), "after start"),
            (('a="b"', START - HOUR, START), "past"),
        ],
    )
    def test_one_that_makes_no_sense_is_refused(self, silence: tuple[str, int, int], reason: str) -> None:
        matchers, starts, ends = silence
        with pytest.raises(InputError, match=reason):
            Silences().put(self.silence(starts, ends, matchers), START)

    def test_one_can_be_expired_once(self) -> None:
        silences = Silences()
        identity = silences.put(self.silence(), START)
        silences.expire(identity, START + MINUTE)
        with pytest.raises(InputError, match="already expired"):
            silences.expire(identity, START + MINUTE)
        silences.prune(START + 200 * HOUR)
        assert list(silences) == []


@pytest.mark.parametrize(
    ("fields", "moment", "holds"),
    [
        ({"weekdays": ["saturday", "sunday"]}, "2023-11-18T12:00", True),
        ({"times": [{"start_time": "09:00", "end_time": "17:00"}]}, "2023-11-17T17:00", False),
        ({"times": [{"start_time": "09:00", "end_time": "24:00"}]}, "2023-11-17T23:59", True),
        ({"days_of_month": ["-1"]}, "2023-11-30T00:00", True),
        ({"days_of_month": ["-3:-2"]}, "2023-11-30T00:00", False),
        ({"days_of_month": ["1:5", "-3:-1"]}, "2024-02-27T00:00", True),
        ({"months": ["november:december"]}, "2023-11-30T00:00", True),
        ({"months": ["1:3"], "years": ["2023:2024"]}, "2025-02-01T00:00", False),
        ({"times": [{"start_time": "09:00", "end_time": "10:00"}], "location": "Europe/Berlin"}, "2023-07-01T07:30", True),
        ({}, "2023-07-01T07:30", True),
    ],
)
def test_intervals_hold_as_alertmanager_documents_them(fields: dict[str, object], moment: str, holds: bool) -> None:  # noqa: FBT001  # the expectation
    now = int(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()) * SECOND
    assert TimeInterval.model_validate(fields).holds(now) is holds


@pytest.mark.parametrize("fields", [{"weekdays": ["saturday:sunday"]}, {"days_of_month": ["0"]}, {"months": ["13"]}])
def test_intervals_that_are_none_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"is not a range|begins after its end"):
        TimeInterval.model_validate(fields)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{a="b",c=~"d.*"}', ['a="b"', 'c=~"d.*"']),
        ("a=b", ['a="b"']),
        ('a != "ü,}\\n"', ['a!="ü,}\\n"']),
        ("a!~x,", ['a!~"x"']),
        ("", []),
    ],
)
def test_matchers_are_read_as_amtool_writes_them(text: str, shown: list[str]) -> None:
    assert [str(matcher) for matcher in parse_matchers(text)] == shown


@pytest.mark.parametrize("text", ["{a=b", "a", "=b", 'a="b" c="d"', 'a=~"("', 'a=~"(?=x)"', 'a=~"(.)\\\\1"'])
def test_what_is_no_matcher_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_matchers(text)


def test_all_mistakes_of_a_file_are_reported_at_once_with_line_and_column(tmp_path: Path) -> None:
    (tmp_path / "bad.tmpl").write_text('{{ define "x" }}\n{{ end')
    text = """\
templates: [bad.tmpl]
route:
  receiver: nobody
  group_wait: 1x
  routes:
  - matchers: ["a=~("]
  - receiver: second
    mute_time_intervals: [never]
receivers:
- slack_configs: []
- name: first
  slack_configs:
  - chanel: x
  webhook_configs:
  - url: http://x
    max_alerts: -1
- name: second
  telegram_configs: [{chat_id: 1}]
- name: second
time_intervals:
- name: broken
  time_intervals: [{times: [{start_time: "9", end_time: "10:00"}]}]
"""
    with pytest.raises(ConfigError) as caught:
        parse_config(text, str(tmp_path / "am.yml"), NOTIFIERS)
    lines = [line.removeprefix(f"{tmp_path}/") for line in str(caught.value).splitlines()]
    assert [tuple(line.split(":")[:3]) for line in lines] == [
        ("am.yml", "3", "13"),  # receiver "nobody" is not defined
        ("am.yml", "4", "15"),  # group_wait
        ("am.yml", "6", "20"),  # the pattern of a matcher
        ("am.yml", "8", "5"),  # no interval "never"
        ("am.yml", "10", "3"),  # a receiver without a name
        ("am.yml", "13", "5"),  # chanel, where the key stands
        ("am.yml", "13", "5"),  # and no URL
        ("am.yml", "16", "17"),  # max_alerts
        ("am.yml", "18", "22"),  # no token
        ("am.yml", "19", "9"),  # "second" twice: by its place in the file, although one before it was left out
        ("am.yml", "22", "42"),  # start_time
        ("bad.tmpl", "2", "1"),
    ]
