"""`spanloom control` as a process of its own: it judges releases by the alerts that a shared store has."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

from click.testing import CliRunner
from elasticsearch import AsyncElasticsearch

from alerting.alert_state import AlertChange, AlertState, fingerprint
from spanloom import clock
from spanloom.cli import main
from stores.elasticsearch.store import ElasticsearchStore
from stores.elasticsearch.templates import install
from telemetry.documents import Kind
from tests.governance.mesh import DEADLINE, needs_envoy, running_envoy
from tests.governance.test_commands import controlling, run
from tests.services import free_port

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """
store: {url}
namespace: {namespace}
control:
  check_with_envoy: false
  rollout: {{waves: [{{soak_seconds: 600}}]}}
"""
SHOP = "services: [{name: pay, endpoints: [{address: 127.0.0.1, port: 9001}]}]"
LABELS = {"alertname": "Slow", "service": "pay"}


async def test_an_alert_that_another_process_stored_takes_a_revision_back(tmp_path: Path, elasticsearch: str) -> None:
    needs_envoy()
    namespace, http, xds = f"control_{uuid.uuid4().hex}", free_port(), free_port()
    config = CONFIG.format(url=elasticsearch, namespace=namespace)
    (tmp_path / "policies.yml").write_text(SHOP)

    async def waves(expected: str, url: str, code: int = 0) -> None:
        runner = CliRunner(env={"SPANLOOM_DATA_DIR": str(tmp_path / "data")})
        async with asyncio.timeout(DEADLINE):
            while True:
                result = await asyncio.to_thread(runner.invoke, main, ["fleet", "waves", "--url", url])
                if expected in result.output:
                    assert result.exit_code == code
                    return

    async with (
        AsyncElasticsearch(elasticsearch) as client,
        controlling(tmp_path, http, xds, config) as url,
        running_envoy(tmp_path, "front-1", "front", xds, outbound=free_port()),
    ):
        await install(client)
        store = ElasticsearchStore(client, namespace)
        async with asyncio.timeout(DEADLINE):
            while "front-1" not in await run(tmp_path, "fleet", "list", "--url", url):
                pass
        await run(tmp_path, "policy", "push", str(tmp_path / "policies.yml"), "--url", url)
        await waves("revision 1: soaking", url)
        now = clock.system()
        fires = AlertChange(fingerprint(LABELS), AlertState.FIRING, LABELS, {}, 1.0, now, now, now, 0)
        await store.write([fires.document()])
        await store.refresh([Kind.ALERT])
        await waves("rolled-back, wave 1 of 1: since wave 1 there fires Slow of pay", url, code=1)
