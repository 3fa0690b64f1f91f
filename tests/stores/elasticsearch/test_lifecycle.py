"""How long Elasticsearch keeps documents: what setup asks of a server that has lifecycles, and of one that lacks them."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import orjson
import pytest
from elastic_transport import ApiResponseMeta, BaseAsyncNode, HttpHeaders
from elasticsearch import AsyncElasticsearch

from stores.elasticsearch.templates import Installed, InstallResult, install
from telemetry.errors import StoreError

EXISTING = ("spanloom-hop-default", "spanloom-audit-default")


class Answer(NamedTuple):
    meta: ApiResponseMeta
    body: bytes


class Cluster:
    """Keeps component templates and notes what is asked of its data streams; without `lifecycles` it refuses them.

    Attributes:
        components: by name.
        asked: (path, body) of each change to a data stream.
    """

    def __init__(self, *, lifecycles: bool = True) -> None:
        self.components: dict[str, Any] = {}
        self.asked: list[tuple[str, Any]] = []
        self._lifecycles = lifecycles

    def client(self) -> AsyncElasticsearch:
        cluster = self

        class Node(BaseAsyncNode):
            async def perform_request(  # type: ignore[override]
                self, method: str, target: str, body: bytes | None = None, **_: Any
            ) -> Answer:
                headers = HttpHeaders({"x-elastic-product": "Elasticsearch", "content-type": "application/json"})
                status, said = cluster.answer(method, target.partition("?")[0], orjson.loads(body or b"null"))
                return Answer(ApiResponseMeta(status, "1.1", headers, 0.0, self.config), orjson.dumps(said))

            async def close(self) -> None:  # type: ignore[override]
                pass

        return AsyncElasticsearch("http://127.0.0.1:9", node_class=Node)

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """Status and body."""
        name = path.rpartition("/")[2]
        if path.startswith("/_component_template/"):
            return self._component(name, body)
        if path.startswith("/_index_template/"):
            return (404 if method == "GET" else 200), {}
        if path.startswith("/_resolve/index/"):
            patterns = [re.compile(one.replace("*", ".*")) for one in name.split(",")]
            streams = [{"name": one} for one in EXISTING if any(pattern.fullmatch(one) for pattern in patterns)]
            return 200, {"indices": [], "aliases": [], "data_streams": streams}
        if path.startswith("/_ilm/policy/"):
            return (200 if name == "hot-warm" else 404), {}
        if self._lifecycles:
            self.asked.append((path, body))
            return 200, {}
        return 400, {"error": f"no handler found for uri [{path}] and method [{method}]", "status": 400}

    def _component(self, name: str, body: Any) -> tuple[int, Any]:
        if body is not None:
            self.components[name] = body
        found = self.components.get(name)
        return (404, {}) if found is None else (200, {"component_templates": [{"component_template": found}]})


def lines(report: list[Installed]) -> dict[str, Installed]:
    return {one.name: one for one in report if "lifecycle" in one.name}


async def test_changed_days_hold_for_data_streams_that_are_there_and_not_for_the_trail() -> None:
    cluster = Cluster()
    client = cluster.client()
    await install(client, keep_days=7)
    cluster.asked.clear()
    report = lines(await install(client, keep_days=30))
    assert report["spanloom-lifecycle"].outcome is InstallResult.UPDATED
    assert ("/_data_stream/spanloom-hop-default/_lifecycle", {"enabled": True, "data_retention": "30d"}) in cluster.asked
    assert ("/_data_stream/spanloom-audit-default/_lifecycle", {"enabled": True}) in cluster.asked
    assert lines(await install(client, keep_days=30))["spanloom-lifecycle"].outcome is InstallResult.UNCHANGED
    await client.close()


async def test_a_server_without_lifecycles_is_reported() -> None:
    client = Cluster(lifecycles=False).client()
    report = lines(await install(client, keep_days=7))
    skipped = report["spanloom-lifecycle of data streams"]
    assert skipped.outcome is InstallResult.SKIPPED
    assert "no handler found" in skipped.reason
    await client.close()


async def test_a_policy_decides_instead_also_for_what_is_there_and_can_be_undone() -> None:
    cluster = Cluster()
    client = cluster.client()
    report = lines(await install(client, keep_days=7, ilm_policy="hot-warm"))
    assert report["spanloom-lifecycle"].outcome is InstallResult.CREATED
    assert cluster.components["spanloom-lifecycle"]["template"] == {"settings": {"index.lifecycle.name": "hot-warm"}}
    assert ("/spanloom-hop-default/_settings", {"index.lifecycle.name": "hot-warm"}) in cluster.asked
    assert ("/spanloom-audit-default/_settings", {"index.lifecycle.name": None}) in cluster.asked, "the trail is kept"
    cluster.asked.clear()
    await install(client, keep_days=7)
    assert cluster.asked[:2] == [
        ("/_data_stream/spanloom-hop-default/_lifecycle", {"enabled": True, "data_retention": "7d"}),
        ("/spanloom-hop-default/_settings", {"index.lifecycle.name": None}),
    ]
    await client.close()


async def test_a_policy_that_is_not_there_is_named_before_anything_is_changed() -> None:
    cluster = Cluster()
    client = cluster.client()
    with pytest.raises(StoreError, match="no lifecycle policy cold"):
        await install(client, ilm_policy="cold")
    assert cluster.components == {}
    await client.close()
