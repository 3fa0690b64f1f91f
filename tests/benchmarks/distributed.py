"""`make bench-distributed`: spans per second from Kafka to searchable in Elasticsearch, beside Elasticsearch's own ceiling.

The spans lie on their topic before the workers start; the clock runs from the first worker that is ready until the last
span can be found. The ceiling is what the same Elasticsearch takes in bulk of the very documents that came out, from
memory and with nothing else running. Both have the machine's cores to themselves and to Kafka.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaProducer

from stores.elasticsearch.store import open_elasticsearch
from stores.store import Query
from telemetry import otlp
from telemetry.documents import Document, Kind
from tests.generated import traces
from tests.system.cluster import ALL, Cluster
from tests.system.exactness import QUICK

if TYPE_CHECKING:
    from stores.elasticsearch.store import ElasticsearchStore

SPANS, WORKERS = 120_000, 2
TRACES_A_RECORD = 40
BATCH, CONCURRENT = 2000, 2
"""As the pipeline's writer has them."""

EVERYTHING = 10_000_000


async def bench(spans: int, workers: int) -> dict[str, Any]:
    """The figures of one run."""
    with tempfile.TemporaryDirectory(prefix="spanloom-bench-") as folder:
        cluster = Cluster(Path(folder), *[ALL] * workers, SPANLOOM_KAFKA__SESSION_SECONDS="20", **QUICK)
        with cluster.services():
            count = await produce(f"127.0.0.1:{cluster.kafka.port}", spans)
            store = open_elasticsearch(cluster.settings["SPANLOOM_STORE"])
            try:
                with cluster.running_workers():
                    began = time.monotonic()
                    await until_found(store, count)
                    searchable = time.monotonic() - began
                    while any((await cluster.lag()).values()):
                        pass
                    settled = time.monotonic() - began
                documents = await everything(store)
            finally:
                await store.close()
            ceiling = await take_in_bulk(cluster.settings["SPANLOOM_STORE"], documents)
    return {
        "spans": count,
        "workers": workers,
        "seconds_until_searchable": round(searchable, 1),
        "seconds_until_settled": round(settled, 1),
        "spans_per_second": round(count / searchable),
        "documents": len(documents),
        "ceiling_documents_per_second": round(len(documents) / ceiling),
        "ceiling_spans_per_second": round(count / ceiling),
        "ratio": round(ceiling / searchable, 2),
    }


async def produce(bootstrap: str, spans: int) -> int:
    """So many spans, in requests as a collector would batch them; how many it were."""
    sent = 0
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, compression_type="lz4", max_request_size=4 << 20) as producer:
        waiting: list[Any] = []
        for trace in traces(spans // 12):
            waiting += trace
            if len(waiting) == 12 * TRACES_A_RECORD:
                await producer.send("otlp_spans", otlp.encode_spans(waiting))
                sent += len(waiting)
                waiting.clear()
        await producer.flush()
    return sent


async def until_found(store: ElasticsearchStore, count: int) -> None:
    """Return when so many spans can be found."""
    while True:
        await store.refresh([Kind.SPAN])
        if await store.count(Query(Kind.SPAN)) >= count:
            return
        await asyncio.sleep(0.5)


async def everything(store: ElasticsearchStore) -> list[Document]:
    """What came out: spans, traces, hops and edges."""
    kinds = (Kind.SPAN, Kind.TRACE, Kind.HOP, Kind.EDGE)
    await store.refresh(kinds)
    found = []
    for kind in kinds:
        for body in await store.find(Query(kind, limit=EVERYTHING)):
            id_, moment = body.pop("_id"), body.pop("@timestamp")
            found.append(Document(kind, id_, moment, body))
    return found


async def take_in_bulk(url: str, documents: list[Document]) -> float:
    """Seconds until the documents are in another namespace and can be found."""
    store = open_elasticsearch(url, namespace="ceiling")
    slots = asyncio.Semaphore(CONCURRENT)

    async def write(batch: list[Document]) -> None:
        async with slots:
            written = await store.write(batch)
            assert written.created == len(batch)

    try:
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for start in range(0, len(documents), BATCH):
                group.create_task(write(documents[start : start + BATCH]))
        await store.refresh([Kind.SPAN, Kind.TRACE, Kind.HOP, Kind.EDGE])
        return time.monotonic() - began
    finally:
        await store.close()


if __name__ == "__main__":
    figures = asyncio.run(bench(int(sys.argv[1]) if len(sys.argv) > 1 else SPANS, WORKERS))
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")
