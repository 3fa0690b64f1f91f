"""What authorization decides stands in the access logs of the real Envoy, with who asked: allowed and refused alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from collectors.metrics import CollectorMetrics
from collectors.receivers.otlp_grpc import OtlpGrpcConfig, OtlpGrpcReceiver
from components.durations import HOUR
from governance.compile.site import Options
from governance.svid.authority import Authority
from spanloom import clock
from tests.agent.test_telemetry import Records
from tests.agent.traffic import running
from tests.governance.mesh import Connection, Mesh, needs_envoy, until
from tests.governance.test_identity import context, status_of
from tests.services import free_port

if TYPE_CHECKING:
    from pathlib import Path

DOMAIN = "shop.test"
GUARDED = """
services: [{name: pay}]
mtls: [{name: proven, service: pay, mode: strict}]
authorization: [{name: readers, service: pay, allow: [{callers: [front], match: {prefix: /pay, methods: [GET]}}]}]
"""


def decisions(records: Records) -> list[tuple[str, ...]]:
    """Path, caller, rule and details of each access log."""
    names = ("url.path", "envoy.peer_spiffe_id", "envoy.authorization_rule", "envoy.response_code_details")
    found = []
    for request in records.requests["otlp_logs"]:
        for group in request.resource_logs:
            for scope in group.scope_logs:
                for record in scope.log_records:
                    written = {each.key: each.value.string_value for each in record.attributes}
                    found.append(tuple(written[name] for name in names))
    return sorted(found)


async def test_each_decision_is_logged_with_its_caller_and_the_rule(tmp_path: Path) -> None:
    needs_envoy()
    authority, records = Authority(tmp_path / "authority.pem", DOMAIN, HOUR, clock.system()), Records()
    receiver = OtlpGrpcReceiver(OtlpGrpcConfig(port=0), records, CollectorMetrics(CollectorRegistry()))
    await receiver.start()
    try:
        async with Mesh(tmp_path / "control", options=Options(trust_domain=DOMAIN), issuer=authority) as mesh:
            upstream, port = await mesh.upstream("pay"), free_port()
            await mesh.publish(GUARDED)
            settings = {"service": "pay", "node": "pay", "control": {"address": f"127.0.0.1:{mesh.port}"}}
            inbound = {"port": port, "application": f"127.0.0.1:{upstream.port}"}
            collector = {"address": f"127.0.0.1:{receiver.port}"}
            async with running(tmp_path / "agent", clock.system, inbound=inbound, collector=collector, **settings) as agent:
                await agent.ready()
                await until(lambda: mesh.has("pay"), "it has its configuration")
                for name, path, expected in (("front", "/pay", 200), ("front", "/adm", 403), ("thief", "/pay/1", 403)):
                    tls = context(tmp_path, name, authority.issue(name, clock.system()), authority.bundle)
                    assert await status_of(port, tls, path) == expected
                async with Connection(port) as plain:
                    assert (await plain.get("pay", "/plain"))[0] == 403
                await until(lambda: len(decisions(records)) >= 4, "all are logged")
    finally:
        await receiver.stop()
    front, thief = (f"spiffe://{DOMAIN}/ns/default/sa/{name}" for name in ("front", "thief"))
    refused = "rbac_access_denied_matched_policy[none]"
    assert decisions(records) == [
        ("/adm", front, "-", refused),
        ("/pay", front, "readers/0", "via_upstream"),
        ("/pay/1", thief, "-", refused),
        ("/plain", "-", "-", refused),
    ]
