from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from stores.duckdb.store import DuckDbStore
from tests.dashboards import shop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stored(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DuckDbStore]:
    """A store that holds the shop, for a module whose tests only read it."""
    store = DuckDbStore(tmp_path_factory.mktemp("shop") / "shop.duckdb")
    written = await store.write(shop.documents())
    assert not written.rejected
    yield store
    await store.close()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[DuckDbStore]:
    """An empty store."""
    store = DuckDbStore(tmp_path / "own.duckdb")
    yield store
    await store.close()
