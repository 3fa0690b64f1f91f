from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.testclient import TestClient

from alerting.playbooks.control import routes
from tests.alerting.playbooks.test_run import Rim
from tests.alerting.playbooks.world import SECOND, START, Alert, Processes, healer, pass_time, playbooks

if TYPE_CHECKING:
    from pathlib import Path


def test_an_operator_sees_stops_resumes_and_releases(tmp_path: Path) -> None:
    world = Processes(sick={"cart/a"}, failing={"restart", "restore"})
    made = healer(playbooks(tmp_path), world)
    made.on_alert(Alert("cart"), START)
    pass_time(made, world, START, 2)
    rim = Rim()
    rim.now = START + 3 * SECOND
    client = TestClient(Starlette(routes=list(routes(rim.runner(made)))))
    state = client.get("/api/v1/healing").json()
    (held,) = state["incidents"]
    assert (held["service"], held["state"], state["stopped_by"]) == ("cart", "escalated", "")
    assert client.post("/api/v1/healing/stop", json={"who": "ann"}).json() == {"stopped_by": "ann"}
    assert client.get("/api/v1/healing").json()["stopped_by"] == "ann"
    assert client.post("/api/v1/healing/resume", json={"who": "bob"}).json() == {"stopped_by": ""}
    assert client.post(f"/api/v1/incidents/{held['id']}/release", json={"who": "ann"}).status_code == 200
    assert client.get("/api/v1/healing").json()["incidents"] == []
    assert [body["data"].get("who") for body in rim.trail()[-3:]] == ["ann", "bob", "ann"]


def test_who_is_asked_for_and_a_form_of_another_site_is_refused(tmp_path: Path) -> None:
    client = TestClient(Starlette(routes=list(routes(Rim().runner(healer(playbooks(tmp_path), Processes()))))))
    assert client.post("/api/v1/healing/stop", json={}).status_code == 400
    assert client.post("/api/v1/healing/stop", data={"who": "eve"}).status_code == 400
    assert client.post("/api/v1/incidents/none/release", json={"who": "ann"}).status_code == 400
    assert client.get("/api/v1/healing").json()["stopped_by"] == ""
