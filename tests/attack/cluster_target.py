"""Requests to the deployment on Kafka and Elasticsearch, and what it stored of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx2
from aiokafka import AIOKafkaProducer

from tests.attack.line import must

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.system.cluster import Cluster

STORED_SECONDS = 150.0
"""In which Elasticsearch has what was sent: on two busy cores a batch takes up to a minute."""


def producer(cluster: Cluster, **options: Any) -> AIOKafkaProducer:
    """Writes to its topics, as who may."""
    return AIOKafkaProducer(bootstrap_servers=f"127.0.0.1:{cluster.kafka.port}", **options)


def export(cluster: Cluster, body: bytes, signal: str = "traces") -> None:
    """An export to its collector, which must be accepted."""
    headers = {"content-type": "application/x-protobuf"}
    answer = httpx2.post(f"{cluster.collector.otlp}/v1/{signal}", content=body, headers=headers, timeout=30)
    must(answer.status_code == 200, f"the collector answered {answer.status_code} {answer.text[:100]}")


def restarts(cluster: Cluster) -> int:
    """How many times a worker was started again."""
    return sum(worker.log.read_text(errors="replace").count("restarting") for worker in cluster.workers)


def stored(cluster: Cluster, traces: Sequence[bytes]) -> float:
    """Seconds until a span of each trace is found in Elasticsearch."""
    return _found(cluster, "traces-*", [trace.hex() for trace in traces], "not stored")


def traces_closed(cluster: Cluster, traces: Sequence[bytes]) -> float:
    """Seconds until each trace is closed and stored."""
    return _found(cluster, "spanloom-trace-*", [trace.hex() for trace in traces], "not closed")


def _found(cluster: Cluster, index: str, ids: Sequence[str], otherwise: str) -> float:
    started = time.monotonic()
    url = f"http://127.0.0.1:{cluster.elasticsearch.port}/{index}/_search?ignore_unavailable=true"
    body = {
        "size": 0,
        "query": {"terms": {"trace_id": list(ids)}},
        "aggs": {"ids": {"terms": {"field": "trace_id", "size": len(ids)}}},
    }

    def count() -> int:
        httpx2.post(f"http://127.0.0.1:{cluster.elasticsearch.port}/_refresh", timeout=30)
        found: dict[str, Any] = httpx2.post(url, json=body, timeout=30).json()
        return len(found.get("aggregations", {}).get("ids", {}).get("buckets", ()))

    while (have := count()) < len(ids):
        if time.monotonic() - started > STORED_SECONDS:
            said = f"{len(ids) - have} of {len(ids)} traces {otherwise} after {STORED_SECONDS:.0f} s: {tail(cluster)}"
            must(condition=False, said=said)
        time.sleep(0.5)
    return time.monotonic() - started


def tail(cluster: Cluster) -> str:
    """How the logs of its workers end."""
    return "".join(worker.log.read_text(errors="replace")[-600:] for worker in cluster.workers)
