"""API v2 with input that a client should not send; what the real amtool and Prometheus send is in tests/interop."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
import yaml
from starlette.applications import Starlette
from starlette.testclient import TestClient

from alerting.alertmanager.api import AlertmanagerApi
from alerting.alertmanager.api_models import MAX_TEXT
from alerting.alertmanager.config import parse_config
from alerting.alertmanager.manager import Alertmanager
from alerting.alerts import AlertStore
from components.durations import MINUTE, SECOND
from spanloom.components import NOTIFIERS
from tests.identified import Identified

NOW = 1_700_000_000 * SECOND
SILENCE = {
    "matchers": [{"name": "a", "value": "ü", "isRegex": False}],
    "startsAt": "2023-11-14T22:13:20Z",
    "endsAt": "2030-01-01T00:00:00Z",
    "createdBy": "me",
    "comment": "why",
}
CONFIG = "route: {receiver: team, routes: [{receiver: pager, matchers: [team=a]}]}\nreceivers: [{name: team}, {name: pager}]\n"


class Service:
    """The API of one manager, and how often it was told to save."""

    def __init__(self) -> None:
        self.manager = Alertmanager(parse_config(CONFIG, "am.yml", NOTIFIERS))
        self.saves = 0
        self.time = NOW
        api = AlertmanagerApi(lambda: {"default": self.manager}, lambda: self.time, self.saved, version="0.1.0")
        self.client = TestClient(Starlette(routes=api.routes()))

    async def saved(self) -> None:
        self.saves += 1

    def post(self, path: str, body: Any, kind: str = "application/json") -> Any:
        content = body if isinstance(body, bytes) else json.dumps(body)
        return self.client.post(f"/api/v2/{path}", content=content, headers={"Content-Type": kind})


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "body is not JSON"),
        (b"\xff", "body is not JSON"),
        ({}, "must be a list"),
        ([3], "[0]: must be an object"),
        ([{"labels": {}}], "[0].labels: at least one label pair"),
        ([{"labels": {"a": 1}}], "[0].labels: must be an object of strings"),
        ([{"labels": {"a": "b"}}, {"labels": {"a": ""}}], "[1].labels: at least one label pair"),
        ([{"labels": {"a": "b"}, "startsAt": "yesterday"}], "[0].startsAt"),
        ([{"labels": {"a": "b"}, "startsAt": "2024-01-01T00:00:00"}], "has no time zone"),
        (
            [{"labels": {"a": "b"}, "startsAt": "2024-01-02T00:00:00Z", "endsAt": "2024-01-01T00:00:00Z"}],
            "start time must not be after end time",
        ),
    ],
)
def test_a_wrong_alert_is_refused_with_its_place_and_none_is_accepted(body: Any, reason: str) -> None:
    service = Service()
    response = service.post("alerts", body)
    assert (response.status_code, len(service.manager.alert_store), service.saves) == (400, 0, 0)
    assert reason in response.json()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"matchers": "x"}, "matchers: must be a list"),
        ({"matchers": [{"name": "a"}]}, "matchers[0]: needs name, value and isRegex"),
        ({"matchers": [{"name": "a", "value": "(", "isRegex": True}]}, "regular expression"),
        ({"matchers": []}, "at least one matcher"),
        ({"endsAt": "2001-01-01T00:00:00Z"}, "end time"),
        ({"endsAt": 5}, "endsAt: must be an RFC 3339 time"),
    ],
)
def test_a_wrong_silence_is_refused(change: dict[str, Any], reason: str) -> None:
    service = Service()
    response = service.post("silences", SILENCE | change)
    assert response.status_code == 400
    assert reason in response.json()
    assert service.post("silences", SILENCE).status_code == 200
    assert service.saves == 1


def test_an_alert_that_nobody_renews_resolves_after_the_resolve_timeout() -> None:
    service = Service()
    service.post("alerts", [{"labels": {"alertname": "A", "team": "a"}}])
    assert [item["receivers"] for item in service.client.get("/api/v2/alerts").json()] == [[{"name": "pager"}]]
    service.time += 5 * MINUTE
    assert service.client.get("/api/v2/alerts").json() == []


def test_an_alert_that_is_renewed_keeps_its_start() -> None:
    service = Service()
    service.post("alerts", [{"labels": {"a": "b"}}])
    service.time += MINUTE
    service.post("alerts", [{"labels": {"a": "b"}}])
    (item,) = service.client.get("/api/v2/alerts").json()
    assert (item["startsAt"], item["endsAt"]) == ("2023-11-14T22:13:20.000000000Z", "2023-11-14T22:19:20.000000000Z")


def test_too_many_alerts_are_told_to_wait() -> None:
    service = Service()
    service.manager.alert_store = AlertStore(max_alerts=1)
    response = service.post("alerts", [{"labels": {"a": str(i)}} for i in range(2)])
    assert (response.status_code, response.headers["Retry-After"]) == (503, "30")


def test_an_alert_without_room_does_not_stop_the_end_of_another() -> None:
    service = Service()
    service.manager.alert_store = AlertStore(max_alerts=1)
    service.post("alerts", [{"labels": {"a": "known"}}])
    service.time += MINUTE
    over = "2023-11-14T22:13:30Z"
    response = service.post("alerts", [{"labels": {"a": "new"}}, {"labels": {"a": "known"}, "endsAt": over}])
    assert response.status_code == 503
    assert service.client.get("/api/v2/alerts").json() == []
    assert service.saves == 2, "what was taken is kept"


def test_what_is_not_there_is_404() -> None:
    service = Service()
    assert service.client.get("/api/v2/silence/none").status_code == 404
    assert service.client.delete("/api/v2/silence/none").status_code == 404
    assert service.post("silences", {"id": "none", "matchers": []}).status_code == 404


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""])
def test_a_page_of_another_site_cannot_post(kind: str) -> None:
    service = Service()
    for path, body in (("silences", SILENCE), ("alerts", [{"labels": {"a": "b"}}])):
        response = service.post(path, body, kind)
        assert response.status_code == 400
        assert "Content-Type: application/json" in response.json()
    assert (len(service.manager.alert_store), list(service.manager.silences), service.saves) == (0, [], 0)
    assert service.post("silences", SILENCE, "application/json; charset=utf-8").status_code == 200


@pytest.mark.parametrize("end", ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59-01:00", "2262-04-12T00:00:00Z"])
def test_a_time_that_is_hardly_ever_is_the_latest_that_can_be_kept(end: str) -> None:
    service = Service()
    assert service.post("silences", SILENCE | {"endsAt": end}).status_code == 200
    assert service.post("alerts", [{"labels": {"a": "b"}, "endsAt": end}]).status_code == 200
    orjson.dumps(service.manager.snapshot())
    for path in ("silences", "alerts"):
        (shown,) = service.client.get(f"/api/v2/{path}").json()
        assert shown["endsAt"].startswith("2262-04-11T")


def test_texts_of_others_are_bounded() -> None:
    service = Service()
    service.post("alerts", [{"labels": {"a": "b"}, "annotations": {"short": "x", "long": "y" * 20_000, "more": "z"}}])
    (alert,) = service.manager.alert_store
    assert sum(len(name) + len(text) for name, text in alert.annotations.items()) == MAX_TEXT + 1
    assert alert.annotations["short"] == "x"
    assert alert.annotations["long"].endswith("y…")
    long = "x" * 20_000
    assert "[0].labels: 20001 characters" in service.post("alerts", [{"labels": {"a": long}}]).json()
    assert "silence: 2000" in service.post("silences", SILENCE | {"comment": long}).json()


def test_groups_of_one_receiver_are_those_that_it_gets() -> None:
    service = Service()
    service.manager.replace_config(
        parse_config(CONFIG.replace("[team=a]", "[team=a], continue: true"), "am.yml", NOTIFIERS), NOW
    )
    service.post("alerts", [{"labels": {"alertname": "A", "team": "a"}}, {"labels": {"alertname": "B"}}])
    groups = service.client.get("/api/v2/alerts/groups?receiver=pager").json()
    assert [group["receiver"]["name"] for group in groups] == ["pager"]


def test_filters_choose_and_a_wrong_one_is_refused() -> None:
    service = Service()
    service.post("alerts", [{"labels": {"a": "ü", "team": "a"}}, {"labels": {"a": "c"}}])

    def values(query: str) -> list[str]:
        return sorted(item["labels"]["a"] for item in service.client.get(f"/api/v2/alerts?{query}").json())

    assert values('filter=a="ü"') == ["ü"]
    assert values("filter=a!=ü&filter=a=~.%2B") == ["c"]
    assert values("receiver=page.*") == ["ü"]
    assert values("active=false") == []
    assert service.client.get("/api/v2/alerts?filter=a").status_code == 400
    groups = service.client.get("/api/v2/alerts/groups").json()
    assert sorted(group["receiver"]["name"] for group in groups) == ["pager", "team"]


def test_status_and_receivers_are_reported() -> None:
    service = Service()
    status = service.client.get("/api/v2/status").json()
    assert (status["versionInfo"]["version"], status["config"]["original"]) == ("0.1.0", CONFIG)
    assert service.client.get("/api/v2/receivers").json() == [{"name": "team"}, {"name": "pager"}]


def test_the_configuration_is_shown_without_its_secrets() -> None:
    text = """
route: {receiver: team}
global: {smtp_smarthost: "mail:25", smtp_from: a@b.c, smtp_auth_password: hunter2}
receivers:
- name: team
  webhook_configs: [{url: "https://hooks.example.org/T0KEN"}]
  pagerduty_configs: [{routing_key: k3y}]
  email_configs: [{to: on-call@example.org}]
"""
    shown = parse_config(text, "am.yml", NOTIFIERS).original
    assert yaml.safe_load(shown).keys() == yaml.safe_load(text).keys()
    assert not any(secret in shown for secret in ("hunter2", "T0KEN", "k3y"))
    assert "smtp_auth_password: <secret>" in shown
    assert "to: on-call@example.org" in shown


def test_secrets_are_not_shown_however_they_are_written() -> None:
    text = r"""
route: {receiver: team}
receivers:
- name: team
  webhook_configs:
  - url: "https://hooks.example.org/T\u0030KEN"
    http_config: {basic_auth: {username: me, password: 'it''s-secret'}}
  email_configs:
  - {to: a@b.c, from: d@e.f, smarthost: "mail:25", auth_password: "pa\\ss\"wd"}  # it was hunter2
  - {to: a@b.c, from: d@e.f, smarthost: "mail:25", auth_password: &old !!str "hun\x74er2"}
  - {to: a@b.c, from: d@e.f, smarthost: "mail:25", auth_password: *old}
  pagerduty_configs:
  - routing_key: |
      k3y
    severity: error
  - routing_key: >-
      fol
      ded
  - routing_key: "fol
      ded"
"""
    shown = parse_config(text, "am.yml", NOTIFIERS).original
    assert not any(part in shown for part in ("KEN", "it''s", "pa\\", 'wd"', "hun", "er2", "k3y", "fol", "ded"))
    taken = yaml.safe_load(shown)["receivers"][0]
    assert [item["auth_password"] for item in taken["email_configs"]] == ["<secret>"] * 3
    assert [item["routing_key"] for item in taken["pagerduty_configs"]] == ["<secret>"] * 3
    assert taken["pagerduty_configs"][0]["severity"] == "error"


@pytest.mark.parametrize(
    "name", ["RepairApprovalRequested", "RepairEscalated", "RepairBreakerOpened", "RepairsStopped", "RepairRefused"]
)
def test_nobody_posts_an_alert_that_looks_like_one_of_repairs(name: str) -> None:
    service = Service()
    response = service.post("alerts", [{"labels": {"alertname": name, "incident": "1"}}])
    assert response.status_code == 400
    assert "Spanloom's own" in response.json()


def test_a_posted_alert_brings_no_link_to_approve() -> None:
    service = Service()
    service.post("alerts", [{"labels": {"alertname": "a"}, "annotations": {"approve": "http://evil.example/", "summary": "s"}}])
    (alert,) = service.manager.alert_store
    assert alert.annotations == {"summary": "s"}


def test_the_audit_trail_gets_who_set_and_ended_a_silence() -> None:
    service, noted = Service(), []

    async def note(event: str, who: str, **data: object) -> None:
        noted.append((event, who, data["silence"]))

    api = AlertmanagerApi(lambda: {"default": service.manager}, lambda: service.time, service.saved, note=note)
    client = TestClient(Identified(Starlette(routes=api.routes()), "ann"))
    given = client.post("/api/v2/silences", json=SILENCE).json()["silenceID"]
    client.delete(f"/api/v2/silence/{given}")
    assert noted == [("silence-set", "ann", given), ("silence-expired", "ann", given)]
    assert [silence.created_by for silence in service.manager.silences] == ["ann"]
