"""The declaration of the embedded store; DuckDB is imported when it is opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from components.component import ComponentKind, NoConfig, Stability
from stores.component import StoreComponent

if TYPE_CHECKING:
    from pydantic import BaseModel

    from stores.component import StoreContext
    from stores.duckdb.samples import DuckDbSampleStore
    from stores.duckdb.store import DuckDbStore
    from stores.samples.store import SampleLimits


def open_file(_config: NoConfig, context: StoreContext) -> DuckDbStore:
    """The store in the file that the URL names.

    Raises:
        StoreError: it cannot be opened.
    """
    from stores.duckdb.store import DuckDbStore  # noqa: PLC0415 - a fifth of a second to import

    return DuckDbStore(_path(context.url))


def open_samples(_config: BaseModel, context: StoreContext, limits: SampleLimits) -> DuckDbSampleStore:
    """The store of samples in a file of its own, beside that of the documents.

    Raises:
        StoreError: it cannot be opened.
    """
    from stores.duckdb.samples import DuckDbSampleStore  # noqa: PLC0415 - a fifth of a second to import

    return DuckDbSampleStore(_path(context.url).with_suffix(".samples.duckdb"), limits)


def _path(url: str) -> Path:
    parts = urlsplit(url)
    return Path(parts.netloc + parts.path)


DUCKDB = StoreComponent(
    kind=ComponentKind.STORE,
    name="duckdb",
    build=open_file,
    summary="One file on this machine, for one process.",
    stability=Stability.STABLE,
    schemes=("duckdb",),
    url_form="duckdb://FILE",
    build_samples=open_samples,
)
