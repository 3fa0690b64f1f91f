"""What a DuckDB file deletes: by age, then by size, the oldest first."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from stores.duckdb.attributes.postings import index_of
from stores.duckdb.columns import INDEXED, TIME, quoted
from stores.duckdb.schema import transaction
from stores.layout import LAYOUT
from stores.store import TRAIL
from telemetry.documents import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from stores.store import Retention

PROOFS = TRAIL | {Kind.ALERT, Kind.NOTIFICATION}
"""What was decided and done is not deleted by size: telemetry that fills the disk must not push it out."""

LEAST_SHARE = 0.05
"""Of all documents, what a round of size retention deletes at least: a checkpoint is too dear for less."""


def retain(connection: DuckDBPyConnection, path: Path, retention: Retention, now: int) -> int:
    """Delete what is older than the retention, then the oldest until the used part of the file fits; how many that were."""
    gone = _delete(connection, LAYOUT.keys() - TRAIL, now - retention.seconds * 1_000_000_000) if retention.seconds else 0
    return gone + (_shrink(connection, path, retention.max_bytes) if retention.max_bytes else 0)


def used_bytes(cursor: DuckDBPyConnection, path: Path) -> int:
    """Bytes of the file in use, and of the log beside it."""
    ((used,),) = cursor.execute(
        "SELECT block_size * used_blocks FROM pragma_database_size() WHERE database_name = current_database()"
    ).fetchall()
    log = path.with_name(path.name + ".wal")
    return int(used) + (log.stat().st_size if log.exists() else 0)


def _shrink(connection: DuckDBPyConnection, path: Path, max_bytes: int) -> int:
    """Delete the oldest but for proofs, by share of the excess, until the size fits or a round gave nothing back.

    DuckDB frees space by row groups of 122,880 documents of a kind, so a round may wait for the next.
    """
    kinds = LAYOUT.keys() - PROOFS
    times = " UNION ALL ".join(f"SELECT {quoted(TIME)} AS time FROM {quoted(kind)}" for kind in kinds)  # noqa: S608 - identifiers are ours
    gone, before = 0, math.inf
    while max_bytes < (size := used_bytes(connection, path)) < before:
        share = max(LEAST_SHARE, 1 - max_bytes / size)
        ((oldest,),) = connection.execute(f"SELECT approx_quantile(time, {share}) FROM ({times})").fetchall()  # noqa: S608 - as above
        if oldest is None:
            break
        gone += _delete(connection, kinds, oldest + 1)
        before = size
    return gone


def _delete(connection: DuckDBPyConnection, kinds: Iterable[Kind], before: int) -> int:
    """Delete what is older, and give its blocks back."""
    with transaction(connection):
        gone = sum(
            connection.execute(f"DELETE FROM {quoted(kind)} WHERE {quoted(TIME)} < ?", [before]).fetchall()[0][0]  # noqa: S608 - identifiers are ours
            for kind in kinds
        )
        for kind in INDEXED:
            connection.execute(f"DELETE FROM {index_of(kind)} WHERE until < ?", [before])  # noqa: S608 - as above
    connection.execute("CHECKPOINT")
    return int(gone)
