"""The API's description, as it is committed: what the pages are typed against."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import orjson
from prometheus_client import CollectorRegistry

from dashboards.api.app import build_api
from dashboards.api.system import SystemParts
from dashboards.read_models.reader import Reader
from stores.duckdb.store import DuckDbStore

PATH = Path(__file__).with_name("openapi.json")


def description() -> bytes:
    """OpenAPI as JSON, the same for the same routes."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_description(Path(folder)))


async def _description(folder: Path) -> bytes:
    store, registry = DuckDbStore(folder / "none.duckdb"), CollectorRegistry()
    try:
        app = build_api(Reader(store), SystemParts(store, dict, registry), lambda: 0)
        return orjson.dumps(app.openapi(), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)
    finally:
        await store.close()
