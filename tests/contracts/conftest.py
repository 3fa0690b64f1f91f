"""Every store of the list of components, in turn."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from spanloom.components import STORES
from stores.component import StoreContext
from stores.elasticsearch.client import connect
from stores.elasticsearch.templates import install

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from stores.store import Store


async def in_a_file(_request: pytest.FixtureRequest, folder: Path) -> str:
    return f"duckdb://{folder / 'store.duckdb'}"


async def on_a_cluster(request: pytest.FixtureRequest, _folder: Path) -> str:
    url: str = request.getfixturevalue("elasticsearch")
    client = connect(url)
    await install(client)
    await client.close()
    return url


CASES: dict[str, Callable[[pytest.FixtureRequest, Path], Awaitable[str]]] = {
    "duckdb": in_a_file,
    "elasticsearch": on_a_cluster,
}
"""Prepares a place for each store, and gives its URL. A store without one fails the suite."""


@pytest.fixture(params=[one.name for one in STORES])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    (component,) = (one for one in STORES if one.name == request.param)
    url = await CASES[component.name](request, tmp_path)
    made = component.build(component.example_config(), StoreContext(url, namespace=uuid.uuid4().hex))
    yield made
    await made.close()
