"""Alerting as on-call engineers meet it: `spanloom up`, a rule on a metric, a real receiver, and kill -9."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

import httpx2
import orjson
import pytest

from spanloom.experiments.webhook import WebhookReceiver
from tests.system.processes import Up

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.system.cluster import Role

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

RULES = """
groups:
- name: queue
  interval: 1s
  rules:
  - {{record: depth, expr: max by (service_name) (queue_depth)}}
  - alert: QueueDeep
    expr: max_over_time(depth[5s]) > {limit}
    labels: {{severity: warning, service: "{{{{ $labels.service_name }}}}"}}
"""


class OnCall:
    """A receiver of webhooks that keeps what it got."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []

    def statuses(self, name: str = "QueueDeep") -> list[tuple[str, str]]:
        """Status and service of each alert of each notification."""
        return [
            (alert["status"], alert["labels"].get("service", ""))
            for payload in self.got
            for alert in payload["alerts"]
            if alert["labels"]["alertname"] == name
        ]


class Queues:
    """Services that tell the depth of their queues twice a second."""

    def __init__(self, up: Up | Role) -> None:
        self._up = up
        self.depths = {"cart": 1.0, "mail": 1.0}

    async def report(self) -> None:
        """Until cancelled; what the pipeline does not take is not sent again."""
        async with httpx2.AsyncClient() as client:
            while True:
                with contextlib.suppress(httpx2.HTTPError):
                    await client.post(f"{self._up.otlp}/v1/metrics", content=self._body(), headers=JSON)
                await asyncio.sleep(0.5)

    def _resources(self) -> list[tuple[dict[str, str], float]]:
        """Attributes of each resource, and the depth of its queue."""
        return [({"service.name": service}, depth) for service, depth in self.depths.items()]

    def _body(self) -> bytes:
        now = str(time.clock_gettime_ns(time.CLOCK_REALTIME))
        return orjson.dumps(
            {
                "resourceMetrics": [
                    {
                        "resource": {
                            "attributes": [{"key": key, "value": {"stringValue": text}} for key, text in attributes.items()]
                        },
                        "scopeMetrics": [
                            {
                                "metrics": [
                                    {"name": "queue.depth", "gauge": {"dataPoints": [{"timeUnixNano": now, "asDouble": depth}]}}
                                ]
                            }
                        ],
                    }
                    for attributes, depth in self._resources()
                ]
            }
        )


JSON = {"content-type": "application/json"}


PATIENCE = 60.0
"""Seconds until what must come has come: each takes a few on an idle machine."""


async def until(condition: Callable[[], bool], what: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Return when it holds; a process that does not answer yet, or too late, is asked again."""
    deadline = time.monotonic() + seconds
    while not holds(condition):
        assert time.monotonic() < deadline, what()
        await asyncio.sleep(0.1)


def holds(condition: Callable[[], bool]) -> bool:
    with contextlib.suppress(httpx2.HTTPError):
        return condition()
    return False


def put(path: Path, text: str) -> None:
    """Write a file that another process watches: it sees the old one or the new one, never a half."""
    path.with_suffix(".new").write_text(text)
    path.with_suffix(".new").replace(path)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[tuple[Up, Queues, OnCall, Path]]:
    rules = tmp_path / "rules.yml"
    rules.write_text(RULES.format(limit=10))
    on_call = OnCall()
    async with WebhookReceiver(0, on_call.got.append) as receiver:
        settings = {
            "SPANLOOM_WEBHOOK_URL": receiver.url,
            "SPANLOOM_ALERTING__RULES": orjson.dumps([str(rules)]).decode(),
            "SPANLOOM_ACT__IDLE": "1",
        }
        up = Up(tmp_path, **settings)
        queues = Queues(up)
        up.start()
        await asyncio.to_thread(up.wait_ready)
        reporting = asyncio.create_task(queues.report())
        try:
            yield up, queues, on_call, rules
        finally:
            reporting.cancel()
            await asyncio.to_thread(up.stop)


def states(up: Up) -> dict[str, str]:
    """State of the alert of each service, as the API tells it."""
    alerts = httpx2.get(f"{up.console}/api/v2/alerts").raise_for_status().json()
    return {alert["labels"]["service"]: alert["status"]["state"] for alert in alerts}


def stored(up: Up, outcome: str) -> bool:
    """Whether a notification came to this."""
    wanted = {"kind": "notification", "where": f"outcome:{outcome}"}
    return bool(httpx2.get(f"{up.console}/api/v1/find", params=wanted).raise_for_status().json())


def shown(up: Up, on_call: OnCall) -> str:
    return f"{on_call.got}\n{up.status()}\n{(up.folder / 'up.log').read_text()[-3000:]}"


async def test_a_killed_process_tells_nothing_twice_and_forgets_nothing(world: tuple[Up, Queues, OnCall, Path]) -> None:
    up, queues, on_call, _ = world
    queues.depths["cart"] = 50.0
    await until(lambda: ("firing", "cart") in on_call.statuses(), lambda: shown(up, on_call))
    async with httpx2.AsyncClient(base_url=f"{up.console}/api", headers=JSON | up.proof, timeout=30) as client:
        ends = time.clock_gettime_ns(time.CLOCK_REALTIME) + 3600 * 10**9
        silence = {
            "matchers": [{"name": "service", "value": "mail", "isRegex": False}],
            "startsAt": "2020-01-01T00:00:00Z",
            "endsAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ends / 1e9)),
            "createdBy": "ann",
            "comment": "known",
        }
        made = (await client.post("/v2/silences", json=silence)).raise_for_status().json()["silenceID"]
        queues.depths["mail"] = 50.0
        # Each document comes when what it tells of is durable.
        await until(lambda: stored(up, "delivered") and stored(up, "suppressed"), lambda: shown(up, on_call))
        up.kill()
        up.start()
        await asyncio.to_thread(up.wait_ready)

        def restored() -> bool:
            return httpx2.get(f"{up.console}/api/v2/silence/{made}").status_code == 200

        await until(restored, lambda: shown(up, on_call))
        assert states(up) == {"cart": "active", "mail": "suppressed"}
        alerts = (await client.get("/v2/alerts")).json()
        assert all(alert["status"]["silencedBy"] in ([], [made]) for alert in alerts)
        since = (await client.get("/v1/rules")).json()["data"]["groups"][0]["rules"][1]
        assert since["state"] == "firing"
        await asyncio.sleep(7)  # longer than the group's interval: a second notification would have come
        assert on_call.statuses() == [("firing", "cart")]
        queues.depths.update(cart=1.0, mail=1.0)
        await until(lambda: len(on_call.statuses()) > 1, lambda: shown(up, on_call))
        await asyncio.sleep(7)
        assert on_call.statuses() == [("firing", "cart"), ("resolved", "cart")]


async def test_a_changed_rule_file_takes_effect_and_a_bad_one_does_not(world: tuple[Up, Queues, OnCall, Path]) -> None:
    up, _, on_call, rules = world
    await until(lambda: rules_of(up)[1]["health"] == "ok", lambda: shown(up, on_call))
    put(rules, RULES.format(limit="nosuch()"))
    await until(lambda: up.status()["files_refused"] == 1, lambda: shown(up, on_call))
    assert "> 10" in rules_of(up)[1]["query"]
    assert 'unknown function "nosuch"' in (up.folder / "up.log").read_text()
    put(rules, RULES.format(limit=0.5))
    await until(lambda: {("firing", "cart"), ("firing", "mail")} <= set(on_call.statuses()), lambda: shown(up, on_call))
    assert up.status()["files_refused"] == 1


def rules_of(up: Up) -> list[dict[str, Any]]:
    body = httpx2.get(f"{up.console}/api/v1/rules")
    return body.json()["data"]["groups"][0]["rules"] if body.is_success else [{}, {"health": ""}]


async def test_repairs_can_be_stopped_and_on_call_hears_of_it(world: tuple[Up, Queues, OnCall, Path]) -> None:
    up, _, on_call, _ = world
    stop = f"{up.console}/api/v1/healing/"
    await until(lambda: httpx2.get(f"{up.console}/api/v1/healing").is_success, lambda: shown(up, on_call))
    httpx2.post(f"{stop}stop", json={}, headers=up.proof, timeout=30).raise_for_status()
    await until(lambda: ("firing", "") in on_call.statuses("RepairsStopped"), lambda: shown(up, on_call))
    httpx2.post(f"{stop}resume", json={}, headers=up.proof, timeout=30).raise_for_status()
    await until(lambda: ("resolved", "") in on_call.statuses("RepairsStopped"), lambda: shown(up, on_call))
