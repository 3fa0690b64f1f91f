"""The real amtool and a real Prometheus against our API v2, each from Debian's packages; skipped where they are missing."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import uvicorn
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette

from alerting.alert_state import fingerprint
from alerting.alertmanager.api import AlertmanagerApi
from alerting.alertmanager.config import parse_config
from alerting.alertmanager.manager import Alertmanager
from alerting.alerts import StoredAlert
from components.access.tokens import new_token, token_hash
from spanloom import clock
from spanloom.access.build import build_access
from spanloom.build_alerting import RECEIVERS
from spanloom.components import NOTIFIERS
from spanloom.config import Config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from starlette.types import ASGIApp

AMTOOL, PROMETHEUS = shutil.which("amtool"), shutil.which("prometheus")
needs_amtool = pytest.mark.skipif(not AMTOOL, reason="no amtool on the PATH (Debian: prometheus-alertmanager)")
needs_prometheus = pytest.mark.skipif(not PROMETHEUS, reason="no prometheus on the PATH (Debian: prometheus)")
pytestmark = pytest.mark.system

CONFIG = """
route:
  receiver: team
  group_by: [alertname]
  routes:
  - receiver: pager
    matchers: ['severity="page"']
receivers:
- name: team
- name: pager
inhibit_rules:
- source_matchers: [severity="page"]
  target_matchers: [severity="ticket"]
  equal: [service]
"""


@asynccontextmanager
async def serving(manager: Alertmanager, config: Config | None = None) -> AsyncIterator[str]:
    """The API on a free port, by the machine's clock, as that is what amtool and Prometheus go by.

    Args:
        manager: whose API.
        config: who may ask; without it anybody may, and who it is counts for nothing.
    """

    async def saved() -> None:
        pass

    api = AlertmanagerApi(lambda: {"default": manager}, clock.system, saved, version="0.1.0")
    app: ASGIApp = Starlette(routes=api.routes())
    if config is not None:
        app = build_access(config, CollectorRegistry(), clock.system).guard(app)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()  # who connects before uvicorn accepts waits
    task = asyncio.create_task(server.serve([listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()


async def amtool(url: str, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        str(AMTOOL), "--alertmanager.url", url, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, err.decode()
    return out.decode()


def alert(service: str, severity: str, at: int) -> StoredAlert:
    labels = {"alertname": "Slow", "service": service, "severity": severity}
    return StoredAlert(labels, {"summary": "slow"}, at, 0, at, "http://here", fingerprint(labels))


@needs_amtool
async def test_amtool_adds_queries_and_expires_a_silence() -> None:
    manager = Alertmanager(parse_config(CONFIG, "am.yml", NOTIFIERS))
    for service in ("cart", "päy"):
        manager.put(alert(service, "page", clock.system()), clock.system())
    async with serving(manager) as url:
        identity = (await amtool(url, "silence", "add", 'service="cart"', "-a", "me", "-c", "known", "-d", "1h")).strip()
        assert identity in await amtool(url, "silence", "query")
        (silence,) = json.loads(await amtool(url, "-o", "json", "silence", "query"))
        assert (silence["createdBy"], silence["comment"], silence["status"]["state"]) == ("me", "known", "active")
        active = json.loads(await amtool(url, "-o", "json", "alert", "query", "--active"))
        assert [item["labels"]["service"] for item in active] == ["päy"]
        (silenced,) = json.loads(await amtool(url, "-o", "json", "alert", "query", "--silenced", 'service="cart"'))
        assert silenced["status"] == {"inhibitedBy": [], "silencedBy": [identity], "state": "suppressed"}
        (updated,) = json.loads(await amtool(url, "-o", "json", "silence", "update", "-d", "2h", identity))
        assert updated["id"] == identity, "one that goes on keeps its id"
        await amtool(url, "silence", "expire", identity)
        assert json.loads(await amtool(url, "-o", "json", "silence", "query")) == []
        assert len(json.loads(await amtool(url, "-o", "json", "alert", "query", "--active"))) == 2
        assert identity in await amtool(url, "silence", "query", "--expired")


@needs_amtool
async def test_amtool_brings_the_silences_of_another_alertmanager(tmp_path: Path) -> None:
    ours, theirs = (Alertmanager(parse_config(CONFIG, "am.yml", NOTIFIERS)) for _ in range(2))
    async with serving(theirs) as old, serving(ours) as new:
        for service in ("cart", "pay"):
            await amtool(
                old, "silence", "add", f'service="{service}"', 'severity=~"page|ticket"', "-a", "me", "-c", "x", "-d", "1h"
            )
        (tmp_path / "silences.json").write_text(await amtool(old, "-o", "json", "silence", "query"))
        await amtool(new, "silence", "import", "--force", str(tmp_path / "silences.json"))
    texts = [sorted(str(matcher) for matcher in silence.matchers) for silence in ours.silences]
    assert sorted(texts) == sorted(sorted(str(matcher) for matcher in silence.matchers) for silence in theirs.silences)
    assert len(texts) == 2


@needs_amtool
async def test_amtool_adds_alerts_and_sees_what_inhibits_them() -> None:
    manager = Alertmanager(parse_config(CONFIG, "am.yml", NOTIFIERS))
    async with serving(manager) as url:
        await amtool(url, "alert", "add", "Slow", "service=cart", "severity=page", "--annotation=summary=a page")
        await amtool(url, "alert", "add", "Slow", "service=cart", "severity=ticket")
        (inhibited,) = json.loads(await amtool(url, "-o", "json", "alert", "query", "--inhibited", "severity=ticket"))
        page = fingerprint({"alertname": "Slow", "service": "cart", "severity": "page"})
        assert inhibited["status"]["inhibitedBy"] == [page]
        (active,) = json.loads(await amtool(url, "-o", "json", "alert", "query", "--active"))
        assert (active["fingerprint"], active["annotations"]) == (page, {"summary": "a page"})
        assert [item["name"] for item in active["receivers"]] == ["pager"]


@needs_amtool
async def test_amtool_shows_its_token_and_is_who_the_token_says(tmp_path: Path) -> None:
    token = new_token()
    entry = {"name": "ann", "role": "operator", "hash": token_hash(token)}
    config = Config.model_validate({"data_dir": tmp_path, "access": {"tokens": [entry]}})
    (tmp_path / "ann").write_text(token)
    shown = tmp_path / "http.yml"
    shown.write_text(f"authorization: {{credentials_file: {tmp_path / 'ann'}}}\n")
    async with serving(Alertmanager(parse_config(CONFIG, "am.yml", NOTIFIERS)), config) as url:
        with pytest.raises(AssertionError, match=r"401|Unauthorized"):
            await amtool(url, "silence", "query")
        proof = ("--http.config.file", str(shown))
        await amtool(url, *proof, "silence", "add", "service=cart", "-a", "somebody else", "-c", "known", "-d", "1h")
        (silence,) = json.loads(await amtool(url, *proof, "-o", "json", "silence", "query"))
        assert silence["createdBy"] == "ann"


@needs_amtool
async def test_amtool_reads_configuration_and_routes() -> None:
    async with serving(Alertmanager(parse_config(CONFIG, "am.yml", NOTIFIERS))) as url:
        assert "group_by" in await amtool(url, "config", "show")
        assert (await amtool(url, "config", "routes", "test", "severity=page")).strip() == "pager"


FOREIGN = """
topology_inhibit_rules: [{culprit_matchers: ['alertname="Culprit"']}]
tracing: {endpoint: 'x:4317'}
route:
  receiver: team
  routes: [{receiver: chat, matchers: ['severity="page"'], mute_time_intervals: [night]}]
time_intervals: [{name: night, time_intervals: [{times: [{start_time: 17:00, end_time: '24:00'}]}]}]
receivers:
- name: team
  webhook_configs: [{url: 'https://ann:secret-1@hooks.test/secret-2', http_config: {proxy_url: 'http://ann:secret-3@proxy'}}]
  apprise_configs: [{urls: ['json://hooks.test/secret-4']}]
- name: chat
  slack_configs: [{api_url: 'https://hooks.test/secret-5', channel: '#a'}]
  opsgenie_configs: [{api_key: secret-6}]
"""


@needs_amtool
@pytest.mark.parametrize("text", [FOREIGN, RECEIVERS])
async def test_amtool_shows_routes_whatever_there_is_of_secrets_and_of_fields_of_ours(text: str) -> None:
    async with serving(Alertmanager(parse_config(text, "am.yml", NOTIFIERS))) as url:
        shown = await amtool(url, "config", "show")
        assert "secret-" not in shown
        routes = await amtool(url, "config", "routes", "show")
        if text is FOREIGN:
            assert "topology" not in shown
            assert 'severity="page"' in routes
            assert (await amtool(url, "config", "routes", "test", "severity=page")).strip() == "chat"


@needs_prometheus
async def test_a_real_prometheus_sends_its_alerts(tmp_path: Path) -> None:
    manager = Alertmanager(parse_config(CONFIG, "am.yml", NOTIFIERS))
    async with serving(manager) as url:
        (tmp_path / "rules.yml").write_text(
            "groups: [{name: g, rules: [{alert: Always, expr: 'vector(7)', labels: {service: cart},"
            " annotations: {summary: '{{ $value }}'}}]}]\n"
        )
        (tmp_path / "prometheus.yml").write_text(
            "global: {evaluation_interval: 200ms, external_labels: {site: a}}\nrule_files: [rules.yml]\n"
            f"alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{url.removeprefix('http://')}']}}]}}]}}\n"
        )
        process = await asyncio.create_subprocess_exec(
            str(PROMETHEUS), f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data",
            "--web.listen-address=127.0.0.1:0", "--rules.alert.resend-delay=3s", "--log.level=error",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            async with asyncio.timeout(60):
                while not len(manager.alert_store):  # noqa: ASYNC110  # the board has no event to await
                    await asyncio.sleep(0.05)
        finally:
            process.terminate()
            await process.wait()
    (held,) = manager.alert_store
    assert dict(held.labels) == {"alertname": "Always", "service": "cart", "site": "a"}
    assert dict(held.annotations) == {"summary": "7"}
    assert held.ends_at > held.updated_at, "Prometheus says until when it holds, should nobody say more"


ROUTES = """
route:
  receiver: default
  routes:
  - receiver: pages
    matchers: [severity="page"]
    continue: true
    routes:
    - receiver: pages-of-a
      matchers: ['team=~"a|ä"']
    - receiver: pages-of-b
      match: {team: b}
  - receiver: teams
    match_re: {team: "a|b.*"}
  - receiver: rest
    matchers: ['{severity!~"none|low", team!=""}']
receivers: [{name: default}, {name: pages}, {name: pages-of-a}, {name: pages-of-b}, {name: teams}, {name: rest}]
"""


@needs_amtool
async def test_amtool_routes_every_alert_as_we_do(tmp_path: Path) -> None:
    (tmp_path / "am.yml").write_text(ROUTES)
    root = parse_config(ROUTES, "am.yml", NOTIFIERS).root
    for severity in ("", "page", "low", "pages"):
        for team in ("", "a", "ä", "b", "bc"):
            labels = {name: value for name, value in (("severity", severity), ("team", team)) if value}
            arguments = [f"{name}={value}" for name, value in labels.items()] or ["x=y"]
            reported = await amtool(
                "http://127.0.0.1:9", "config", "routes", "test", f"--config.file={tmp_path}/am.yml", *arguments
            )
            assert reported.strip().split(",") == [route.receiver for route in root.match(labels)]
