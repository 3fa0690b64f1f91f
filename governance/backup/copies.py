"""A copy of a control plane's folder, made while it runs, and the way back.

The copy is a folder of its own, readable by its owner alone: it holds the root's key where there is one. A manifest
is written last and names each file with its digest, so that half a copy is none.
"""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from components.private_files import make_private_folder, open_private, write_private
from governance.stores.sqlite import FORMAT, READABLE
from telemetry.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

STORE, AUTHORITY, NEXT, MANIFEST = "control.sqlite", "authority.pem", "authority-next.pem", "manifest.json"
VERSION = 1
_PAGES = 256
"""Copied at a time, so that the control plane writes meanwhile."""
_MAX_MANIFEST = 100_000


@dataclass(frozen=True, slots=True)
class Copy:
    """What a copy holds: when it was made, in nanoseconds since the epoch, and the digest of each file."""

    made: int
    files: dict[str, str]


def back_up(folder: Path, into: Path, now: int) -> Copy:
    """Copy the store and the authority, whether the control plane runs or not.

    Args:
        folder: of the control plane.
        into: a folder that is made, or is empty.
        now: nanoseconds since the epoch.

    Raises:
        StoreError: there is nothing to copy, or it cannot be copied.
    """
    try:
        if not (folder / STORE).exists():
            raise StoreError(f"{folder}: no control plane has its store here")
        if into.exists() and any(into.iterdir()):
            raise StoreError(f"{into}: is not empty; name a folder that is not there yet")
        make_private_folder(into)
        _copy_store(folder / STORE, into / STORE)
        names = [STORE]
        for name in (AUTHORITY, NEXT):
            if (folder / name).exists():
                write_private(into / name, (folder / name).read_bytes())
                names.append(name)
        files = {name: _digest(into / name) for name in names}
        write_private(into / MANIFEST, orjson.dumps({"version": VERSION, "made": now, "files": files}))
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"{into}: {error}") from error
    return Copy(now, files)


def restore(copy: Path, folder: Path) -> Copy:
    """Put a copy where a control plane is to start; what is there already is never replaced.

    Raises:
        StoreError: the copy is not whole, or a control plane has its store there.
    """
    try:
        found = _read_manifest(copy)
        for name, digest in found.files.items():
            if _digest(copy / name) != digest:
                raise StoreError(f"{copy / name}: is not what was written there; take another copy")
        _check_store(copy / STORE)
        make_private_folder(folder)
        for name in found.files:
            if (folder / name).exists() and _digest(folder / name) != found.files[name]:
                raise StoreError(f"{folder / name}: is there; stop the control plane and move its folder away first")
        for name in sorted(found.files):  # the store last: without it a second try begins anew
            write_private(folder / name, (copy / name).read_bytes())
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"{copy}: {error}") from error
    return found


def _copy_store(source: Path, target: Path) -> None:
    with open(target, "xb", opener=open_private):
        pass
    with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(target)) as copy:
        live.backup(copy, pages=_PAGES)
        copy.execute("pragma journal_mode = delete")  # one file
    _check_store(target)


def _check_store(path: Path) -> None:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as store:
        problems = [row[0] for row in store.execute("pragma integrity_check(1)")]
        written_by = store.execute("pragma user_version").fetchone()[0]
    if problems != ["ok"]:
        raise StoreError(f"{path}: {problems[0]}")
    if written_by not in READABLE:
        raise StoreError(f"{path}: of format {written_by}; this release reads {FORMAT}")


def _read_manifest(copy: Path) -> Copy:
    path = copy / MANIFEST
    try:
        with path.open("rb") as file:
            data = orjson.loads(file.read(_MAX_MANIFEST))
        found = Copy(int(data["made"]), dict(data["files"]))
    except (ValueError, LookupError, TypeError) as error:
        raise StoreError(f"{path}: not the manifest of a copy: {error}") from error
    if data["version"] != VERSION or STORE not in found.files or not found.files.keys() <= {STORE, AUTHORITY, NEXT}:
        raise StoreError(f"{path}: of a copy that this release does not read")
    return found


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
