"""Where a store of one process is, and whether it is gone: an empty one would look like a system without telemetry."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from spanloom import components
from stores.component import store_of
from telemetry.errors import UnrecoverableError


def is_shared(url: str) -> bool:
    """Whether several processes may open the store that a URL names."""
    component = store_of(components.STORES, url)
    return component is not None and component.many_processes


def store_file(url: str) -> Path | None:
    """The file of a store that belongs to one process; None for every other URL."""
    parts = urlsplit(url)
    known = store_of(components.STORES, url) is not None
    return Path(parts.netloc + parts.path) if known and not is_shared(url) else None


class StoreFileLostError(UnrecoverableError):
    """The file that held what was stored is missing or empty."""


def _marker(path: Path) -> Path:
    return path.with_name(f"{path.name}.exists")


def require_store_file(path: Path) -> None:
    """Refuse to begin again where a store was.

    Raises:
        StoreFileLostError: names the file, and how to go on.
    """
    is_empty = path.exists() and path.stat().st_size == 0
    if is_empty or (_marker(path).exists() and not path.exists()):
        found = "is empty" if is_empty else "is missing"
        both = f"{path} and {_marker(path).name} beside it" if is_empty else f"{_marker(path)}"
        raise StoreFileLostError(
            f"{path}: the store's file {found}, and with it all that was stored; restore it from a copy, or delete {both} to "
            "begin with an empty store: what the log still has unacknowledged is stored again"
        )


def remember_store_file(path: Path) -> None:
    """From now on it is expected to be there."""
    _marker(path).touch(mode=0o600)
