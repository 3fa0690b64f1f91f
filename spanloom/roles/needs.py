"""What a role needs of its configuration before it starts."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pipeline.runtime.kafka_access import UnreachableError
from spanloom.config import without_password
from spanloom.process.store_file import is_shared, store_file
from spanloom.process.stores import open_store
from spanloom.wiring import Log
from stores.store import AccessRefusedError, Query
from telemetry.documents import Kind
from telemetry.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from spanloom.config import Config
    from stores.store import Store


def local_paths(config: Config) -> list[Path]:
    """Where the log and the store are, if they are files of this machine."""
    log_url, store = urlsplit(config.log_url), store_file(config.store_url)
    paths = [Path(log_url.netloc + log_url.path)] if log_url.scheme == "log" else []
    paths += [store] if store is not None else []
    return [*paths, *(path.with_name(path.name + ".wal") for path in paths)]


def require_shared(config: Config, role: str, *needs: str) -> None:
    """Refuse a role of its own on a log or store that belongs to one process.

    Raises:
        ConfigError: says which setting.
    """
    for name, url, shared in (
        ("log", config.log_url, urlsplit(config.log_url).scheme == "kafka"),
        ("store", config.store_url, is_shared(config.store_url)),
    ):
        if name in needs and not shared:
            example = "kafka://127.0.0.1:9092" if name == "log" else "http://127.0.0.1:9200"
            raise ConfigError(
                f"{name}: {without_password(url)} belongs to one process, and spanloom {role} is one of many: "
                f"set SPANLOOM_{name.upper()} to something like {example}, or run spanloom up"
            )


async def require_access(config: Config, *, store: bool = True) -> None:
    """Refuse at once what Kafka or the store refuses: no start again will help. One that is not there is waited for later.

    Raises:
        AccessRefusedError: says which setting.
    """
    with contextlib.suppress(UnreachableError):
        await Log(config).check_access()
    if store and is_shared(config.store_url):
        opened = open_store(config)
        try:
            await absence(opened)
        finally:
            await opened.close()


async def absence(store: Store) -> StoreError | None:
    """Why the store does not answer, if it does not.

    Raises:
        AccessRefusedError: it will not, however often it is asked.
    """
    try:
        await store.count(Query(Kind.AUDIT))
    except AccessRefusedError:
        raise
    except StoreError as error:
        return error
    return None
