"""State that survives a crash: the newest value of each key, in a Faust table with its changelog."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cramjam
import orjson

from pipeline.record import TP
from telemetry.errors import InputError, UnrecoverableError

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from telemetry.documents import Body

COMPRESSED_FROM = 4096
"""Bytes from which a value is compressed: models of series shrink to two fifths, at a third of what JSON costs."""


class DamagedStateError(InputError, UnrecoverableError):
    """A value of the table cannot be used. The message names what is lost without it, and the command that gives it up.

    Attributes:
        what: the message without the command, for state that nobody has to give up.
    """

    def __init__(self, what: str, way_out: str) -> None:
        super().__init__(f"{what}. {way_out}")
        self.what = what


class StageTable:
    """Plain data by partition and name.

    Faust lets a table be changed only while an event is handled; ours also changes when time passes. So a value is put
    into the table's store and sent to its changelog by hand, to the partition whose owner needs it.

    Args:
        app: the application, whose `changelogs` know the offset of each key.
        name: of the table.
        partitions: of its changelog.
    """

    def __init__(self, app: Any, name: str, partitions: int) -> None:
        self._written_at = app.changelogs
        self._table = app.Table(name, partitions=partitions, key_type=bytes, value_type=bytes)

    def load(self, partition: int, name: str) -> Body | None:
        """The newest value, or None.

        Raises:
            DamagedStateError: nobody of ours wrote it so.
        """
        key = self._key(partition, name)
        value = self._table.data.get(key)
        try:
            body = None if value is None else orjson.loads(_unpacked(value))
        except (ValueError, cramjam.DecompressionError) as error:
            raise self.damaged(partition, name, error) from error
        if body is not None and not isinstance(body, dict):
            raise self.damaged(partition, name, "it is no object")
        return body

    def damaged(self, partition: int, name: str, reason: object) -> DamagedStateError:
        """Says where the value is that cannot be used, and how to go on without it."""
        key, topic = self._key(partition, name), self._table.changelog_topic.get_topic_name()
        offset = self._written_at.get((TP(topic, partition), key), "OFFSET")
        why = f"{type(reason).__name__}: {reason}" if isinstance(reason, Exception) else reason
        return DamagedStateError(
            f"{topic}[{partition}] offset {offset}: the value of key {key.decode()!r} cannot be used ({why}): what was "
            f"known of {name!r} is lost",
            f"If another release wrote it, run that one; to go on without it: spanloom dlq skip {topic} {partition} {offset}",
        )

    async def save(self, partition: int, name: str, value: Body) -> None:
        """Return when the value would survive a kill -9."""
        key, data = self._key(partition, name), _packed(orjson.dumps(value))
        self._table.data[key] = data
        sent: Awaitable[object] = self._table.send_changelog(partition, key, data)
        await sent

    @staticmethod
    def _key(partition: int, name: str) -> bytes:
        return f"{partition}/{name}".encode()


def _packed(data: bytes) -> bytes:
    return bytes(cramjam.zstd.compress(data, level=1)) if len(data) >= COMPRESSED_FROM else data


def _unpacked(data: bytes) -> bytes:
    return data if data.startswith(b"{") else bytes(cramjam.zstd.decompress(data))  # a body is JSON, and begins so
