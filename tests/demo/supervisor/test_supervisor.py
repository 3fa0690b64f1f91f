from __future__ import annotations

import asyncio
import json
import os
import signal
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from demo.supervisor.api import api
from demo.supervisor.roster import MESH, ROSTER, behind_proxy, placed
from demo.supervisor.shop import Shop
from tests.demo.otlp_receiver import OtlpReceiver
from tests.services import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACE_PARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"
PAYMENTS = [role for role in ROSTER if role.service == "payment"]


@pytest.fixture
async def control(tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """The API of a supervisor of payment and its standby."""
    receiver = OtlpReceiver()
    shop = Shop(tmp_path, receiver.grpc, receiver.http, PAYMENTS)
    try:
        await shop.start()
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=api(shop)), base_url="http://supervisor") as client:
            yield client
    finally:
        await shop.stop()
        await shop.stop()
        await asyncio.to_thread(receiver.close)


async def payment(control: httpx2.AsyncClient) -> dict[str, Any]:
    services = (await control.get("/services")).json()
    found: dict[str, Any] = next(service for service in services if service["name"] == "payment")
    return found


async def until(holds: Callable[[dict[str, Any]], bool], control: httpx2.AsyncClient) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while not holds(state := await payment(control)):  # noqa: ASYNC110  # the API has no events
            await asyncio.sleep(0.05)
    return state


def traffic(folder: Path) -> str:
    address: str = json.loads((folder / "addresses.json").read_text())["payment"]
    return address


def test_one_instance_may_be_placed_behind_a_link_and_all_others_where_it_reaches_them() -> None:
    roster = {role.name: role for role in placed(ROSTER, "198.18.0.1", ("payment", "far-away", "198.18.0.2"))}
    assert (roster["payment"].host, roster["payment"].namespace) == ("198.18.0.2", "far-away")
    assert {(r.host, r.namespace) for name, r in roster.items() if name != "payment"} == {("198.18.0.1", "")}
    assert placed(ROSTER, "127.0.0.1", None) == ROSTER


async def test_isolation_moves_the_traffic_to_the_standby_and_restoring_moves_it_back(
    control: httpx2.AsyncClient, tmp_path: Path
) -> None:
    first = (await payment(control))["url"]
    assert traffic(tmp_path) == first
    isolated = await control.post("/services/payment/isolate")
    assert isolated.json()["isolated"] is True
    assert traffic(tmp_path) != first
    assert (await control.post("/services/payment/isolate")).status_code == 200
    refused = await control.post("/services/payment-standby/isolate")
    assert refused.status_code == 409
    assert "no other instance" in refused.json()["error"]
    await control.post("/services/payment/restore")
    assert traffic(tmp_path) == first


async def test_a_restart_is_a_new_process_without_the_fault(control: httpx2.AsyncClient) -> None:
    fault = {"kind": "latency", "milliseconds": 400}
    before = (await control.post("/services/payment/fault", json=fault)).json()
    assert before["fault"] == fault
    after = (await control.post("/services/payment/restart")).json()
    assert after["state"] == "ready"
    assert after["fault"] == {}
    assert after["pid"] != before["pid"]
    assert after["restarts"] == 1


async def test_a_fault_is_cleared_by_an_empty_one(control: httpx2.AsyncClient) -> None:
    await control.post("/services/payment/fault", json={"kind": "errors", "ratio": 0.5})
    assert (await control.post("/services/payment/fault", json={})).json()["fault"] == {}


async def test_a_process_that_was_killed_is_started_again_and_its_traffic_goes_elsewhere(
    control: httpx2.AsyncClient, tmp_path: Path
) -> None:
    before = await payment(control)
    os.kill(before["pid"], signal.SIGKILL)
    await until(lambda state: state["state"] != "ready", control)
    assert traffic(tmp_path) != before["url"]
    after = await until(lambda state: bool(state["state"] == "ready"), control)
    assert after["restarts"] == 1
    assert after["pid"] != before["pid"]
    assert traffic(tmp_path) == after["url"]


async def test_what_cannot_be_done_is_refused_with_its_reason(control: httpx2.AsyncClient) -> None:
    unknown = await control.post("/services/nobody/restart")
    assert unknown.status_code == 404
    assert "payment-standby" in unknown.json()["error"]
    for body in (b"{", b"[]", b'{"kind": "fire"}', b" " * 5000):
        refused = await control.post("/services/payment/fault", content=body)
        assert refused.status_code == 422
        assert refused.json()["error"]
    assert (await control.get("/healthz")).status_code == 200


async def test_a_service_without_an_sdk_is_called_by_its_proxy_and_counts_what_the_proxy_sees(tmp_path: Path) -> None:
    receiver = OtlpReceiver()
    ports = [free_port() for _ in MESH]
    inbound, outbound, delivery, *_ = ports
    roles = [role for role in behind_proxy(ports) if role.name != "carrier-canary"]
    shop = Shop(tmp_path, receiver.grpc, receiver.http, roles)
    try:
        await shop.start()
        assert json.loads((tmp_path / "addresses.json").read_text())["delivery"] == f"127.0.0.1:{inbound}"
        async with httpx2.AsyncClient() as client:
            refused = await client.get(f"http://127.0.0.1:{delivery}/quotes?product=loom")
            assert refused.status_code == 502, "nobody stands at its proxy's port"
            async with await asyncio.start_server(partial(forwarded, ports[3]), "127.0.0.1", outbound):
                quoted = await client.get(
                    f"http://127.0.0.1:{delivery}/quotes?product=loom", headers={"traceparent": TRACE_PARENT}
                )
        assert quoted.json() == {"quote": {"cents": 490, "days": 2}}
        async with asyncio.timeout(60):
            # Two requests, and the call that reached the proxy.
            while shop.sent().get("spans_by_proxy") != 3 or not receiver.spans():  # noqa: ASYNC110  # processes have no events
                await asyncio.sleep(0.05)
        spans = receiver.spans()
        assert {(resource["service.name"], span.trace_id.hex()) for resource, span in spans} == {("carrier", TRACE_ID)}
    finally:
        await shop.stop()
        await asyncio.to_thread(receiver.close)


async def forwarded(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One request to a port and back, as a proxy would."""
    request = await reader.readuntil(b"\r\n\r\n")
    assert b"host: carrier" in request.lower()
    inside, out = await asyncio.open_connection("127.0.0.1", port)
    out.write(request)
    writer.write(await inside.read())
    await writer.drain()
    out.close()
    writer.close()
