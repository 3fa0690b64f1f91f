from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.testclient import TestClient

from alerting.playbooks.api.control import routes
from tests.alerting.playbooks.test_runner import Rim
from tests.alerting.playbooks.world import SECOND, START, Alert, Processes, healer, pass_time, playbooks
from tests.identified import Identified

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.routing import Route

    from alerting.playbooks.runner import PlaybookRunner


def one(runner: PlaybookRunner) -> list[Route]:
    async def switch(who: str, environment: str | None, *, stop: bool) -> None:
        assert environment is None
        await (runner.halt(who) if stop else runner.resume(who))

    return routes(lambda: {"default": runner}, switch)


def test_an_operator_sees_stops_resumes_and_releases_under_the_name_that_was_authenticated(tmp_path: Path) -> None:
    world = Processes(sick={"cart/a"}, failing={"restart", "restore"})
    made = healer(playbooks(tmp_path), world)
    made.on_alert(Alert("cart"), START)
    pass_time(made, world, START, 2)
    rim = Rim()
    rim.now = START + 3 * SECOND
    app = Starlette(routes=list(one(rim.runner(made))))
    client, bob = TestClient(Identified(app, "ann")), TestClient(Identified(app, "bob"))
    state = client.get("/api/v1/healing").json()
    (held,) = state["incidents"]
    assert (held["service"], held["state"], state["stopped_by"]) == ("cart", "escalated", "")
    assert client.post("/api/v1/healing/stop", json={}).json() == {"stopped_by": "ann"}
    assert client.get("/api/v1/healing").json()["stopped_by"] == "ann"
    assert bob.post("/api/v1/healing/resume", json={"who": "ann"}).json() == {"stopped_by": ""}
    assert client.post(f"/api/v1/incidents/{held['id']}/release", json={}).status_code == 200
    assert client.get("/api/v1/healing").json()["incidents"] == []
    assert [body["data"].get("who") for body in rim.trail()[-3:]] == ["ann", "bob", "ann"]


def test_a_form_of_another_site_is_refused_and_an_unknown_incident_too(tmp_path: Path) -> None:
    app = Starlette(routes=list(one(Rim().runner(healer(playbooks(tmp_path), Processes())))))
    client = TestClient(Identified(app, "ann"))
    assert client.post("/api/v1/healing/stop", data={"who": "eve"}).status_code == 400
    assert client.post("/api/v1/incidents/none/release", json={}).status_code == 400
    assert client.get("/api/v1/healing").json()["stopped_by"] == ""
