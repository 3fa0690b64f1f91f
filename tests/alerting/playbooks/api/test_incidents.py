from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.testclient import TestClient

from alerting.playbooks.api.incidents import routes
from telemetry.documents import Kind
from tests.alerting.playbooks.test_runner import Rim
from tests.alerting.playbooks.world import PLAYBOOK, SECOND, START, Alert, Processes, healer, pass_time, playbooks, stored
from tests.identified import Identified

if TYPE_CHECKING:
    from pathlib import Path

    from alerting.playbooks.kernel.healer import Healer

HUMAN = PLAYBOOK.replace("approve: automatic", "approve: {human: 1m}")


def app(rim: Rim, made: Healer) -> Starlette:
    runner = rim.runner(made)
    return Starlette(routes=routes(lambda: {"default": runner}))


def test_whoever_is_logged_in_acknowledges_and_decides_without_the_link(tmp_path: Path) -> None:
    made = healer(playbooks(tmp_path, HUMAN), Processes(sick={"cart/a", "shop/a"}))
    for service in ("cart", "shop"):
        made.on_alert(Alert(service), START)
    made.advance(START + SECOND)
    by_service = {incident.service: incident.id for incident in made.incidents.values()}
    rim = Rim()
    rim.now = START + 2 * SECOND
    client = TestClient(Identified(app(rim, made), "ann"))

    def ask(service: str, act: str, **body: str) -> tuple[int, object]:
        answer = client.post(f"/api/v1/incidents/{by_service[service]}/{act}", json=body)
        return answer.status_code, answer.json()

    assert ask("cart", "acknowledge", note="I look") == (200, {"incident": by_service["cart"], "who": "ann"})
    assert ask("cart", "decision", decision="maybe")[0] == 400
    assert made.incidents[by_service["cart"]].state == "approving"
    assert ask("cart", "decision", decision="approve", who="eve")[0] == 200
    assert made.incidents[by_service["cart"]].approved_by == "ann"
    assert ask("cart", "decision", decision="approve")[0] == 409  # nobody is asked any more
    assert ask("shop", "decision", decision="deny")[0] == 200
    assert by_service["shop"] not in made.incidents
    assert ask("shop", "acknowledge")[0] == 400
    said = [(body["event"], body["data"]["who"]) for body in rim.trail() if body["data"].get("who")]
    assert said == [("acknowledged", "ann"), ("approved", "ann"), ("denied", "ann")]


def test_an_alert_that_a_person_has_is_answered_once_more_when_asked_for(tmp_path: Path) -> None:
    world = Processes(sick={"cart/a"}, failing={"restart"})
    made = healer(playbooks(tmp_path), world)
    alert = Alert("cart")
    made.on_alert(alert, START)
    now = pass_time(made, world, START, 5)
    (ended,) = {body["incident"] for body in stored(made.outbox()[0], Kind.AUDIT) if body["event"] == "escalated"}
    rim = Rim()
    client = TestClient(Identified(app(rim, made), "ann"))

    def ask(fingerprint: str = alert.fingerprint) -> tuple[int, str]:
        answer = client.post(f"/api/v1/incidents/{ended}/rerun", json={"fingerprint": fingerprint})
        return answer.status_code, answer.json().get("error", "")

    rim.now = now + SECOND
    assert ask("other")[0] == 409
    assert ask() == (409, "the playbook may not start now (cooldown); the audit trail has the reason")
    rim.now = pass_time(made, world, now, 120)
    assert world.calls.count(("restart", "cart/a")) == 1, "a refused one starts nothing later"
    rim.now += SECOND
    status, _ = ask()
    assert status == 200
    assert world.calls.count(("restart", "cart/a")) == 2
    assert [body["data"]["who"] for body in rim.trail() if body["event"] == "rerun"] == ["ann", "ann"]


def test_an_alert_is_not_answered_twice_at_a_time(tmp_path: Path) -> None:
    made = healer(playbooks(tmp_path, HUMAN), Processes(sick={"cart/a"}))
    alert = Alert("cart")
    made.on_alert(alert, START)
    made.advance(START + SECOND)
    (incident,) = made.incidents
    rim = Rim()
    rim.now = START + 2 * SECOND
    answer = TestClient(Identified(app(rim, made), "ann")).post(
        f"/api/v1/incidents/{incident}/rerun", json={"fingerprint": alert.fingerprint}
    )
    assert (answer.status_code, answer.json()["error"]) == (409, f"a repair of the alert '{alert.fingerprint}' is under way")


def test_a_form_of_another_site_decides_nothing(tmp_path: Path) -> None:
    client = TestClient(Identified(app(Rim(), healer(playbooks(tmp_path), Processes())), "ann"))
    for act in ("decision", "acknowledge", "rerun"):
        assert client.post(f"/api/v1/incidents/x/{act}", data={"decision": "approve"}).status_code == 400
