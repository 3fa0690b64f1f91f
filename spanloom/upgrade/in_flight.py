"""Whether this release can read the records that are on their way between stages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.exchange.codec import BatchKind
from pipeline.exchange.inner_records import NewerRecordError, received
from pipeline.exchange.topics import Topic
from spanloom.upgrade.item import Outcome, UpgradeItem
from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

INNER = (Topic.TRACED, Topic.SERIES, Topic.SIGNALS)
PART = "log"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A record that is not acknowledged, as far as `received` reads it."""

    offset: int
    headers: dict[str, bytes]
    value: bytes | None


def check_in_flight(topic: str, records: Iterable[tuple[int, Waiting]]) -> UpgradeItem:
    """All that are in flight of a topic between stages, by partition."""
    name = f"{topic} in flight"
    count, unreadable, newer = 0, 0, ""
    for partition, record in records:
        count += 1
        try:
            received(record, frozenset(BatchKind))  # type: ignore[arg-type] # it reads headers and value
        except NewerRecordError as error:
            newer = newer or f"partition {partition} offset {record.offset}: {error}"
        except InputError:
            unreadable += 1
    if newer:
        return UpgradeItem(PART, name, Outcome.REFUSED, newer)
    if unreadable:
        text = f"{count} records, of which {unreadable} cannot be read: they become dead letters"
        return UpgradeItem(PART, name, Outcome.NOTE, text)
    return UpgradeItem(PART, name, Outcome.KEPT, f"{count} records, all can be read")
