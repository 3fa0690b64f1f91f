"""Strangers cannot make `spanloom up` repair a healthy service, neither by a rule over HTTP nor by telemetry."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx2
import orjson
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanloom import clock
from tests.system.processes import Up

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.timeout(280)]

EVIL = """
name: evil
interval: 1s
rules:
- alert: ServiceCulprit
  expr: vector(9)
  labels: {service: cart, severity: critical}
"""
CALLS = (
    ("front", b"", b"a" * 8, 2),
    ("front", b"a" * 8, b"b" * 8, 3),
    ("cart", b"b" * 8, b"c" * 8, 2),
    ("front", b"a" * 8, b"e" * 8, 3),
    ("pay", b"e" * 8, b"d" * 8, 2),
    ("front", b"a" * 8, b"f" * 8, 3),
    ("ship", b"f" * 8, b"g" * 8, 2),
)
FROM_ELSEWHERE = {"X-Forwarded-For": "10.0.0.7"}
"""As a proxy before the receiver says it: the only way to come from elsewhere on one machine."""


@contextlib.contextmanager
def supervisor() -> Iterator[tuple[str, list[str]]]:
    """A control interface that does nothing; and what it was asked to do."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.rfile.read(int(self.headers.get("content-length") or 0))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


def a_trace() -> bytes:
    """A customer's request to a healthy shop: front calls cart, pay and ship."""
    now, trace = clock.system(), os.urandom(16)
    request = ExportTraceServiceRequest()
    for service, parent, span, kind in CALLS:
        resource = request.resource_spans.add()
        for key, value in (("service.name", service), ("service.instance.id", f"{service}-1")):
            resource.resource.attributes.add(key=key).value.string_value = value
        resource.scope_spans.add().spans.add(
            trace_id=trace, span_id=span, parent_span_id=parent, name="buy", kind=kind,
            start_time_unix_nano=now - 10_000_000, end_time_unix_nano=now,
        )  # fmt: skip
    return request.SerializeToString()


@pytest.mark.parametrize(
    ("over_http", "elsewhere", "allowed", "source"),
    [
        (True, False, (), "namespace evil"),
        (True, False, ("api-rules:evil",), ""),
        (False, True, (), "anonymous"),
        (False, True, ("anonymous",), ""),
    ],
)
async def test_a_rule_or_telemetry_from_outside_repairs_nothing_by_itself_unless_an_admin_allowed_it(
    tmp_path: Path,
    over_http: bool,  # noqa: FBT001 - a parameter of the test
    elsewhere: bool,  # noqa: FBT001
    allowed: tuple[str, ...],
    source: str,
) -> None:
    settings = {"SPANLOOM_ALERTING__SAFETY__AUTOMATIC_FOR": orjson.dumps(allowed).decode()}
    if not over_http:
        (tmp_path / "rules.yml").write_text("groups:\n- " + EVIL.strip().replace("\n", "\n  "))
        settings["SPANLOOM_ALERTING__RULES"] = orjson.dumps([str(tmp_path / "rules.yml")]).decode()
    with supervisor() as (url, asked):
        up = Up(tmp_path, SPANLOOM_SUPERVISOR_URL=url, **settings)
        up.start()
        try:
            await asyncio.to_thread(up.wait_ready)
            async with httpx2.AsyncClient(timeout=30, trust_env=False) as client:
                if over_http:
                    yaml = {"Content-Type": "application/yaml"}
                    refused = await client.post(f"{up.console}/api/v1/rules/evil", content=EVIL, headers=yaml)
                    assert refused.status_code == 401
                    answer = await client.post(f"{up.console}/api/v1/rules/evil", content=EVIL, headers=yaml | up.proof)
                    assert answer.status_code == 202, answer.text
                incident = await _incident(client, up, FROM_ELSEWHERE if elsewhere else {}, asked)
                waits = bool(source)
                if waits:
                    assert incident["state"] == "approving"
                    audit = (await client.get(f"{up.console}/api/v1/find", params={"kind": "audit"})).json()
                    why = next(record["data"]["why"] for record in audit if record["event"] == "approval-requested")
                    assert source in why
                    assert "alerting.safety.automatic_for" in why
            assert (asked == []) is waits
        finally:
            await asyncio.to_thread(up.stop)


async def _incident(client: httpx2.AsyncClient, up: Up, headers: dict[str, str], asked: list[str]) -> dict[str, Any]:
    """Send telemetry until there is an incident that waits for a human, or that has acted."""
    headers = {"Content-Type": "application/x-protobuf", **headers}
    async with asyncio.timeout(200):
        while True:
            for _ in range(5):
                answer = await client.post(f"{up.otlp}/v1/traces", content=a_trace(), headers=headers)
                assert answer.status_code == 200, answer.text
            found = (await client.get(f"{up.console}/api/v1/find", params={"kind": "incident"})).json()
            if found and (asked or found[-1]["state"] == "approving"):
                newest: dict[str, Any] = found[-1]
                return newest
            await asyncio.sleep(0.3)  # between two looks
