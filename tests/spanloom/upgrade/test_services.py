"""`spanloom upgrade` on a real Kafka and a real Elasticsearch."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from stores.elasticsearch.templates import VERSION
from tests.system.processes import run_command

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(300)


class Deployment:
    """Settings of a worker, and what the services have."""

    def __init__(self, kafka: str, elasticsearch: str, folder: Path) -> None:
        self._kafka, self._elasticsearch = kafka, elasticsearch
        self._environment = {
            **os.environ,
            "SPANLOOM_LOG": f"kafka://{kafka}",
            "SPANLOOM_STORE": elasticsearch,
            "SPANLOOM_DATA_DIR": str(folder / "data"),
        }

    def upgrade(self, *options: str, expected: int = 0, **settings: str) -> dict[str, dict[str, Any]]:
        """The items by name, with the exit code as expected."""
        done = run_command({**self._environment, **settings}, "upgrade", "--json", *options)
        assert done.returncode == expected, done.stdout + done.stderr
        return {each["name"]: each for each in json.loads(done.stdout)["items"]}

    async def topics(self) -> dict[str, int]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self._kafka)
        await admin.start()
        try:
            return {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics()}
        finally:
            await admin.close()

    def templates(self) -> dict[str, Any]:
        """Index templates by name, as the server has them."""
        found = httpx2.get(f"{self._elasticsearch}/_index_template/spanloom-*").json()
        return {each["name"]: each["index_template"] for each in found.get("index_templates", ())}

    def components(self) -> Any:
        return httpx2.get(f"{self._elasticsearch}/_component_template/spanloom-*").json()

    def age(self, name: str, version: int) -> None:
        """Let a template be that of another release."""
        known = self.templates()[name]
        body = {key: known[key] for key in ("index_patterns", "composed_of", "priority", "data_stream")} | {"version": version}
        httpx2.put(f"{self._elasticsearch}/_index_template/{name}", json=body).raise_for_status()


@pytest.fixture
def deployment(kafka: str, elasticsearch: str, tmp_path: Path) -> Deployment:
    return Deployment(kafka, elasticsearch, tmp_path)


async def test_a_dry_run_says_what_is_done_and_changes_nothing(deployment: Deployment) -> None:
    before = await deployment.topics(), deployment.templates(), deployment.components()
    planned = deployment.upgrade("--dry-run")
    assert (await deployment.topics(), deployment.templates(), deployment.components()) == before
    done = deployment.upgrade()
    changes = {name for name, each in planned.items() if each["outcome"] == "changes"}
    assert {name for name, each in done.items() if each["outcome"] == "changed"} == changes
    made = set(await deployment.topics()) - set(before[0])
    assert {name for name in changes if name.startswith(("otlp_", "spanloom-traced", "spanloom-spanloom"))} <= made
    again = deployment.upgrade("--dry-run")
    assert {each["outcome"] for each in again.values()} <= {"kept", "note", "relearned"}
    assert "spanloom-spanloom-state-changelog" in again


def test_templates_of_the_release_before_are_replaced_and_those_of_a_later_one_left(deployment: Deployment) -> None:
    deployment.upgrade()
    deployment.age("spanloom-hop", 7)
    deployment.age("spanloom-edge", VERSION + 1)
    try:
        planned = deployment.upgrade("--dry-run")
        assert planned["spanloom-hop"]["outcome"] == "changes"
        assert "begin a new index" in planned["spanloom-hop"]["text"]
        assert planned["spanloom-edge"]["outcome"] == "note"
        assert deployment.templates()["spanloom-hop"]["version"] == 7
        assert deployment.upgrade()["spanloom-hop"]["outcome"] == "changed"
        assert deployment.templates()["spanloom-hop"]["version"] == VERSION
        assert deployment.templates()["spanloom-edge"]["version"] == VERSION + 1
    finally:
        deployment.age("spanloom-edge", VERSION)


async def test_too_few_partitions_are_refused_with_the_number(deployment: Deployment) -> None:
    deployment.upgrade()
    before = await deployment.topics()
    found = deployment.upgrade(expected=1, SPANLOOM_TOPICS__PARTITIONS="64")
    assert found["spanloom-traced"]["outcome"] == "refused"
    assert f"it has {before['spanloom-traced']} partitions, and 64 are configured" in found["spanloom-traced"]["text"]
    assert found["spanloom-signals"]["outcome"] == "kept"
    assert await deployment.topics() == before
