"""Every implementation of a protocol, in turn."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from stores.duckdb.store import DuckDbStore
from stores.elasticsearch.client import connect
from stores.elasticsearch.store import ElasticsearchStore
from stores.elasticsearch.templates import install

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from stores.store import Store


@pytest.fixture(params=["duckdb", "elasticsearch"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    made: Store
    if request.param == "duckdb":
        made = DuckDbStore(tmp_path / "store.duckdb")
    else:
        client = connect(request.getfixturevalue("elasticsearch"))
        await install(client)
        made = ElasticsearchStore(client, namespace=uuid.uuid4().hex)
    yield made
    await made.close()
