"""The declaration of the embedded store; DuckDB is imported when it is opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from components.component import ComponentKind, NoConfig, Stability
from stores.component import StoreComponent

if TYPE_CHECKING:
    from stores.component import StoreContext
    from stores.duckdb.store import DuckDbStore


def open_file(_config: NoConfig, context: StoreContext) -> DuckDbStore:
    """The store in the file that the URL names.

    Raises:
        StoreError: it cannot be opened.
    """
    from stores.duckdb.store import DuckDbStore  # noqa: PLC0415 - a fifth of a second to import

    url = urlsplit(context.url)
    return DuckDbStore(Path(url.netloc + url.path))


DUCKDB = StoreComponent(
    kind=ComponentKind.STORE,
    name="duckdb",
    build=open_file,
    summary="One file on this machine, for one process.",
    stability=Stability.STABLE,
    schemes=("duckdb",),
    url_form="duckdb://FILE",
)
