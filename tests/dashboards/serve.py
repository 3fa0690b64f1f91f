"""A console in a process of its own, until its stdin ends. Each line that it reads makes news happen.

`python -m tests.dashboards.serve DIR shop|environments|large-trace|metrics|at-scale|nothing`
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from prometheus_client import CollectorRegistry

from dashboards.api.answers import FRESH
from dashboards.api.app import build_app
from dashboards.api.server import ConsoleServer
from spanloom import clock
from spanloom.access.build import build_access
from spanloom.config import Config
from stores.duckdb.store import DuckDbStore
from tests.dashboards import at_scale, metrics, news, shop


async def serve(folder: Path, what: str) -> None:
    """Say the address, then answer."""
    if what == "at-scale":
        await at_scale.fill(folder / "shop.duckdb")
    store = DuckDbStore(folder / "shop.duckdb")
    await store.write([] if what == "nothing" else [*shop.in_versions(shop.documents()), shop.odd_trace_document()])
    await store.write(shop.staging_documents() if what == "environments" else [])
    await store.write(shop.large_documents() if what == "large-trace" else [])
    await store.write(metrics.documents() if what == "metrics" else [])
    status = {"spans_stored": 472, "collector": {"requests": 12345}}
    registry = CollectorRegistry()
    access = build_access(Config(data_dir=folder), registry, clock.system)
    late = 0  # ns that have passed when news come: an answer that is shared for a while is as old then
    app = build_app(
        store,
        lambda: status,
        registry,
        lambda: shop.NOW + late,
        [*access.login_routes(), *(metrics.routes(store) if what in {"metrics", "at-scale"} else ())],
    )
    server = ConsoleServer(access.guard(app), port=0)
    await server.start()
    sys.stdout.write(f"{server.url}\n")
    sys.stdout.flush()
    while await asyncio.to_thread(sys.stdin.readline):
        await store.write(news.documents())
        late += FRESH + 1
    await server.stop()
    await store.close()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), sys.argv[2]))
