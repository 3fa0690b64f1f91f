"""The default playbook on real processes: the demo's supervisor and payment with its standby, proof by the real PromQL."""

from __future__ import annotations

import asyncio
import socket
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn

from alerting.playbooks.actions.supervisor import SupervisorConfig
from alerting.playbooks.kernel.healer import Healer
from alerting.playbooks.model.load import load_playbooks
from alerting.playbooks.runner import PlaybookRunner
from alerting.rules.engine import AlertEngine
from demo.shop.faults import Fault
from demo.supervisor.api import api
from demo.supervisor.roster import ROSTER
from demo.supervisor.shop import Shop
from telemetry.audit import verify
from telemetry.documents import Document, Kind
from telemetry.metrics import Point, Series
from tests.alerting.playbooks.all_actions import all_actions
from tests.alerting.playbooks.world import SECOND, START, Alert, feed, stored
from tests.demo.otlp_receiver import OtlpReceiver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from alerting.playbooks.kernel.messages import Notice
    from telemetry.documents import Body

PAYMENTS = [role for role in ROSTER if role.service == "payment"]


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[tuple[Shop, str]]:
    receiver = OtlpReceiver()
    made = Shop(tmp_path, receiver.grpc, receiver.http, PAYMENTS)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(api(made), log_config=None, lifespan="off", timeout_graceful_shutdown=1))
        serving = asyncio.create_task(server._serve([listener]))
        try:
            await made.start()
            yield made, f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving
            await made.stop()
            await asyncio.to_thread(receiver.close)


class Telemetry:
    """What the pipeline would see: ten calls a second to whoever takes the traffic, slow and failing with its fault."""

    def __init__(self, shop: Shop) -> None:
        self.engine, self.shop, self.now = AlertEngine(), shop, START
        self.calls = self.failed = self.quick = 0

    def second(self) -> None:
        self.now += SECOND
        taker = next(each for each in self.shop.services() if each["takes_traffic"])
        sick = bool(taker["fault"])
        self.calls, self.failed, self.quick = self.calls + 10, self.failed + 5 * sick, self.quick + 10 * (not sick)
        graph = "traces_service_graph_request"
        points = {
            (f"{graph}_total", ()): self.calls,
            (f"{graph}_failed_total", ()): self.failed,
            (f"{graph}_server_seconds_bucket", (("le", "0.5"),)): self.quick,
            (f"{graph}_server_seconds_bucket", (("le", "5"),)): self.calls,
            (f"{graph}_server_seconds_bucket", (("le", "+Inf"),)): self.calls,
        }
        labels = (("client", "checkout"), ("server", "payment"))
        self.engine.add(
            Point(Series(name, tuple(sorted((*more, *labels)))), self.now, float(value))
            for (name, more), value in points.items()
        )
        if sick:
            series = Series("spanloom_anomaly_score", (("kind", "latency"), ("service", "payment")))
            self.engine.add([Point(series, self.now, 0.97)])


class Kept:
    """A store, a pager and a place for the snapshot in memory."""

    def __init__(self) -> None:
        self.documents: dict[str, Document] = {}
        self.notices: list[Notice] = []

    async def save(self, snapshot: Body, /) -> None:
        pass

    async def write(self, documents: Sequence[Document], /) -> None:
        self.documents.update({document.id: document for document in documents})

    async def notify(self, notice: Notice, /) -> None:
        self.notices.append(notice)


def culprit() -> Alert:
    return Alert("payment", instance="", rule="ServiceCulprit")


async def heal(made: Shop, url: str, fault: dict[str, Any], seconds: int) -> tuple[Kept, Telemetry]:
    """Put the fault in, let the alert come, and play the playbook for so many seconds of telemetry."""
    actions = all_actions(supervisor=SupervisorConfig(url=url))
    playbooks = load_playbooks([Path(str(files("alerting.playbooks") / "default.yml"))], actions)
    telemetry, kept = Telemetry(made), Kept()
    healer = Healer(playbooks, actions, telemetry.engine.query)
    runner = PlaybookRunner(healer, kept.save, kept.write, kept.notify, lambda: telemetry.now)
    await made.instance("payment").put(Fault.of(fault).body())
    for _ in range(30):
        telemetry.second()
    feed(healer, ["payment", "checkout", "cart"], telemetry.now)
    await runner.start(None)
    await runner.on_alert(culprit())
    for _ in range(seconds):
        telemetry.second()
        await runner.advance()
        await runner.idle()
        if not healer.incidents and kept.notices:
            break
    await runner.stop()
    return kept, telemetry


@pytest.mark.system
@pytest.mark.parametrize("fault", [{"kind": "latency", "milliseconds": 400}, {"kind": "errors", "ratio": 0.5}])
async def test_the_default_playbook_replaces_the_faulty_process_and_proves_it(
    shop: tuple[Shop, str], fault: dict[str, Any]
) -> None:
    made, url = shop
    before = made.instance("payment").pid
    kept, telemetry = await heal(made, url, fault, 60)
    assert [notice.kind for notice in kept.notices] == ["closed"]
    payment = next(each for each in made.services() if each["name"] == "payment")
    assert payment["pid"] != before
    assert (payment["fault"], payment["isolated"], payment["takes_traffic"]) == ({}, False, True)
    trail = stored(list(kept.documents.values()), Kind.AUDIT)
    assert verify(trail) == []
    proof = next(body for body in trail if body["event"] == "verified")
    assert proof["data"]["samples"]
    assert telemetry.now - START < 90 * SECOND


@pytest.mark.system
async def test_a_service_without_a_standby_is_left_alone_and_a_human_is_notified(shop: tuple[Shop, str]) -> None:
    made, url = shop
    made.isolate("payment-standby")
    kept, _ = await heal(made, url, {"kind": "latency", "milliseconds": 400}, 5)
    assert [notice.kind for notice in kept.notices] == ["escalated"]
    assert "no other instance of payment takes traffic" in kept.notices[0].text
    assert not next(each for each in made.services() if each["name"] == "payment")["isolated"]
