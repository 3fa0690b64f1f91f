"""Which requests of browsers OTLP/HTTP answers."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from collectors.receivers.otlp_http import OtlpHttpConfig, OtlpHttpReceiver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from prometheus_client import CollectorRegistry

    from collectors.metrics import CollectorMetrics
    from tests.collectors.conftest import FakeLog

A_SPAN = {"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "01" * 16, "spanId": "02" * 8}]}]}]}


@asynccontextmanager
async def receiving(log: FakeLog, metrics: CollectorMetrics, **config: Any) -> AsyncIterator[httpx2.AsyncClient]:
    receiver = OtlpHttpReceiver(OtlpHttpConfig(port=0, **config), log, metrics)
    await receiver.start()
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{receiver.port}", trust_env=False) as client:
            yield client
    finally:
        await receiver.stop()


def refused(registry: CollectorRegistry, reason: str, signal: str) -> float | None:
    return registry.get_sample_value(
        "spanloom_collector_refused_requests_total", {"signal": signal, "transport": "http", "reason": reason}
    )


@pytest.mark.parametrize(
    ("headers", "reason", "said"),
    [
        ({"origin": "http://evil.example"}, "origin", "origin 'http://evil.example': pages may not send telemetry"),
        ({"origin": "null"}, "origin", "add it to otlp_http.origins"),
        ({"origin": "http://localhost:4318", "host": "localhost:4318"}, "origin", "origin 'http://localhost:4318'"),
        ({"origin": ""}, "origin", "origin ''"),
        ({"sec-fetch-site": "cross-site"}, "origin", "pages may not send telemetry"),
        ({"sec-fetch-site": "same-origin"}, "origin", "pages may not send telemetry"),
        ({"host": "evil.example:4318"}, "host", "host 'evil.example:4318': no name of this server; add it to otlp_http.hosts"),
        ({"host": "evil.example:4318", "origin": "http://evil.example:4318"}, "host", "host 'evil.example:4318'"),
        ({"host": "127.0.0.1.evil.example"}, "host", "no name of this server"),
        ({"host": "localhost@evil.example"}, "host", "no name of this server"),
        ({"host": ""}, "host", "host ''"),
    ],
)
@pytest.mark.parametrize(("path", "signal"), [("/v1/traces", "spans"), ("/v1/logs", "logs"), ("/v1/metrics", "metrics")])
async def test_a_page_in_a_browser_may_not_send_under_whatever_name(
    log: FakeLog,
    metrics: CollectorMetrics,
    registry: CollectorRegistry,
    headers: dict[str, str],
    reason: str,
    said: str,
    path: str,
    signal: str,
) -> None:
    async with receiving(log, metrics) as client:
        answer = await client.post(path, json={}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, 7)
    assert said in answer.json()["message"]
    assert (refused(registry, reason, signal), log.records) == (1, [])


async def test_two_origins_are_refused_even_if_one_is_configured(log: FakeLog, metrics: CollectorMetrics) -> None:
    origins = [("origin", "https://shop.example.com"), ("origin", "http://evil.example"), ("content-type", "application/json")]
    async with receiving(log, metrics, origins=["https://shop.example.com"]) as client:
        assert (await client.post("/v1/traces", content=b"{}", headers=origins)).status_code == 403


async def test_a_configured_origin_may_send_and_counts_as_anonymous(log: FakeLog, metrics: CollectorMetrics) -> None:
    async with receiving(log, metrics, origins=["https://Shop.example.com/"]) as client:
        page = {"origin": "https://shop.example.com", "sec-fetch-site": "cross-site"}
        assert (await client.post("/v1/traces", json=A_SPAN, headers=page)).status_code == 200
        other = {"origin": "https://shop.example.com:8443"}
        assert (await client.post("/v1/traces", json=A_SPAN, headers=other)).status_code == 403
    assert log.senders == ["anonymous"]


PAGE = "https://shop.example.com"
PREFLIGHT = {
    "origin": PAGE,
    "access-control-request-method": "POST",
    "access-control-request-headers": "content-type,authorization",
}


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/logs", "/v1/metrics"])
async def test_a_browser_is_told_that_a_page_of_a_configured_origin_may_send(
    log: FakeLog, metrics: CollectorMetrics, path: str
) -> None:
    async with receiving(log, metrics, origins=[PAGE]) as client:
        asked = await client.options(path, headers=PREFLIGHT)
        sent = await client.post(path, json={}, headers={"origin": PAGE})
    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] == sent.headers["access-control-allow-origin"] == PAGE
    assert asked.headers["access-control-allow-credentials"] == "true"  # navigator.sendBeacon
    assert "POST" in asked.headers["access-control-allow-methods"]
    assert set(asked.headers["access-control-allow-headers"].split(",")) >= {"content-type", "authorization"}
    assert "origin" in sent.headers["vary"].lower()


async def test_a_refusal_can_be_read_by_the_page_that_may_send(log: FakeLog, metrics: CollectorMetrics) -> None:
    async with receiving(log, metrics, origins=[PAGE]) as client:
        answer = await client.post("/v1/traces", content=b"x", headers={"origin": PAGE, "content-type": "text/plain"})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (415, PAGE)


@pytest.mark.parametrize(("origins", "status"), [([], 405), (["https://other.example.com"], 400)])
async def test_a_page_of_no_configured_origin_is_told_that_it_may_not(
    log: FakeLog, metrics: CollectorMetrics, origins: list[str], status: int
) -> None:
    async with receiving(log, metrics, origins=origins) as client:
        answer = await client.options("/v1/traces", headers=PREFLIGHT)
    assert answer.status_code == status
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("host", ["localhost:4318", "LOCALHOST", "127.0.0.1", "[::1]:4318", "localhost.:4318"])
async def test_on_loopback_a_host_of_loopback_is_answered_to(log: FakeLog, metrics: CollectorMetrics, host: str) -> None:
    async with receiving(log, metrics) as client:
        assert (await client.post("/v1/traces", json=A_SPAN, headers={"host": host})).status_code == 200


async def test_a_configured_host_is_answered_to_and_no_other(log: FakeLog, metrics: CollectorMetrics) -> None:
    async with receiving(log, metrics, hosts=["host.docker.internal"]) as client:
        for host, status in (("host.docker.internal:4318", 200), ("Host.Docker.Internal", 200), ("other.example", 403)):
            assert (await client.post("/v1/traces", json={}, headers={"host": host})).status_code == status


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
async def test_an_address_that_others_reach_answers_to_every_host_until_some_are_configured(
    log: FakeLog, metrics: CollectorMetrics, address: str
) -> None:
    async with receiving(log, metrics, host=address) as client:
        for host in ("collector.monitoring.svc:4318", "10.0.0.7:4318", "my_collector"):
            assert (await client.post("/v1/traces", json={}, headers={"host": host})).status_code == 200
        page = {"origin": "http://collector.example", "host": "collector.example"}
        assert (await client.post("/v1/traces", json={}, headers=page)).status_code == 403


async def test_on_every_address_hosts_that_are_configured_are_all_that_is_answered_to(
    log: FakeLog, metrics: CollectorMetrics
) -> None:
    async with receiving(log, metrics, host="0.0.0.0", hosts=["collector.example"]) as client:
        for host, status in (("collector.example:4318", 200), ("evil.example", 403)):
            assert (await client.post("/v1/traces", json={}, headers={"host": host})).status_code == status
        assert (await client.post("/v1/traces", json={})).status_code == 200  # by the address itself


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"hosts": ["http://collector.example"]}, "must be a name or an address without scheme and port"),
        ({"origins": ["shop.example.com"]}, "must be an origin such as"),
    ],
)
def test_hosts_and_origins_that_could_never_match_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        OtlpHttpConfig(**settings)
