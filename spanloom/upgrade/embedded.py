"""The parts of a deployment that are files of this machine: the embedded log and the DuckDB file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yarl import URL

from durable_log.closed import ClosedLog
from pipeline.runtime.log_url import directory_of
from pipeline.state.saved import SavedTable
from spanloom.upgrade.identity import SPANS, identities
from spanloom.upgrade.in_flight import INNER, Waiting, check_in_flight
from spanloom.upgrade.item import Outcome, UpgradeItem
from spanloom.upgrade.state import check_alerting, check_models
from spanloom.wiring import SCORES, STATE, changelog
from stores.duckdb.inspect import inspect
from stores.duckdb.store import DuckDbStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from spanloom.config import Config

GROUP = "spanloom"


def check_log(config: Config, now: int) -> Iterator[UpgradeItem]:
    """Topics, records in flight and the saved state."""
    directory = directory_of(URL(config.log_url))
    if not (directory / "topics").exists():
        yield UpgradeItem("log", str(directory), Outcome.NOTE, "there is none yet: a start makes it")
        return
    log = ClosedLog(directory)
    topics, committed = log.topics(), log.committed().get(GROUP, {})
    yield UpgradeItem("log", str(directory), Outcome.KEPT, f"{len(topics)} topics; partitions stay as they are")
    for topic in INNER:
        if topic in topics:
            records = (
                (partition, Waiting(record.offset, {name: value or b"" for name, value in record.headers}, record.value))
                for partition in range(topics[topic].partitions)
                for record in log.records(topic, partition, committed.get((topic, partition), 0))
            )
            yield check_in_flight(topic, records)
    for name, check in ((SCORES, check_models), (STATE, lambda config, table: check_alerting(config, table, now))):
        saved = changelog(name)
        if saved in topics:
            rows = (
                (record.key, record.value)
                for partition in range(topics[saved].partitions)
                for record in log.records(saved, partition)
            )
            yield from check(config, SavedTable(saved, rows))


def check_store(path: Path) -> Iterator[UpgradeItem]:
    """Tables and columns of the DuckDB file, and whom its newest spans name.

    Raises:
        SchemaError: another release or another program wrote it.
        StoreError: it cannot be read.
    """
    if not path.exists():
        yield UpgradeItem("store", str(path), Outcome.NOTE, "there is none yet: a start makes it")
        return
    found = inspect(path, SPANS)
    yield UpgradeItem("store", str(path), Outcome.KEPT, f"schema version {found.version}")
    for kind, table in found.tables.items():
        if table.documents is None:
            yield UpgradeItem("store", kind.value, Outcome.CHANGES, "the table is made")
        elif table.missing:
            columns = ", ".join(table.missing)
            yield UpgradeItem(
                "store", kind.value, Outcome.CHANGES, f"column {columns} is added; {table.documents} documents stay"
            )
    yield from identities(found.newest_spans)


async def change_store(path: Path) -> None:
    """Do what `check_store` says of a file: one transaction, so that a kill leaves the old tables or the new ones."""
    await DuckDbStore(path).close()
