"""A console in a process of its own, until its stdin ends.

`python -m tests.dashboards.serve DIR shop|environments|trace-page|metrics|nothing`
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from prometheus_client import CollectorRegistry

from dashboards.api.app import build_app
from dashboards.api.server import ConsoleServer
from spanloom import clock
from spanloom.access.build import build_access
from spanloom.config import Config
from stores.duckdb.store import DuckDbStore
from tests.dashboards import metrics, shop


async def serve(folder: Path, what: str) -> None:
    """Say the address, then answer."""
    store = DuckDbStore(folder / "shop.duckdb")
    await store.write([] if what == "nothing" else shop.documents())
    await store.write(shop.staging_documents() if what == "environments" else [])
    await store.write(shop.large_documents() if what == "trace-page" else [])
    status = {"spans_stored": 472, "collector": {"requests": 12345}}
    registry = CollectorRegistry()
    access = build_access(Config(data_dir=folder), registry, clock.system)
    app = build_app(
        store,
        lambda: status,
        registry,
        lambda: shop.NOW,
        [*access.login_routes(), *(metrics.routes() if what == "metrics" else ())],
    )
    server = ConsoleServer(access.guard(app), port=0)
    await server.start()
    sys.stdout.write(f"{server.url}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    await server.stop()
    await store.close()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), sys.argv[2]))
