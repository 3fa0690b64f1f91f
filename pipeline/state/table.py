"""State that survives a crash: the newest value of each key, in a Faust table with its changelog."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cramjam
import orjson

from telemetry.errors import InputError, UnrecoverableError

if TYPE_CHECKING:
    from faust import App

    from telemetry.documents import Body

COMPRESSED_FROM = 4096
"""Bytes from which a value is compressed: models of series shrink to two fifths, at a third of what JSON costs."""


class DamagedStateError(InputError, UnrecoverableError):
    """A value of the table cannot be read. The message names what is lost without it."""


class State:
    """Plain data by partition and name.

    Faust lets a table be changed only while an event is handled; ours also changes when time passes. So a value is put
    into the table's store and sent to its changelog by hand, to the partition whose owner needs it.
    """

    def __init__(self, app: App, name: str, partitions: int) -> None:
        self._table = app.Table(name, partitions=partitions, key_type=bytes, value_type=bytes)

    def load(self, partition: int, name: str) -> Body | None:
        """The newest value, or None.

        Raises:
            DamagedStateError: nobody of ours wrote it so.
        """
        key = self._key(partition, name)
        value = self._table.data.get(key)
        try:
            return None if value is None else orjson.loads(_unpacked(value))
        except (ValueError, cramjam.DecompressionError) as error:
            topic = self._table.changelog_topic.get_topic_name()
            raise DamagedStateError(
                f"{topic}[{partition}]: the value of key {key.decode()!r} cannot be read ({error}): what was known of {name!r} "
                "is lost. To go on without it, write a record with this key and without a value there, and start again"
            ) from error

    async def save(self, partition: int, name: str, value: Body) -> None:
        """Return when the value would survive a kill -9."""
        key, data = self._key(partition, name), _packed(orjson.dumps(value))
        self._table.data[key] = data
        sent: Any = self._table.send_changelog(partition, key, data)
        await sent

    @staticmethod
    def _key(partition: int, name: str) -> bytes:
        return f"{partition}/{name}".encode()


def _packed(data: bytes) -> bytes:
    return bytes(cramjam.zstd.compress(data, level=1)) if len(data) >= COMPRESSED_FROM else data


def _unpacked(data: bytes) -> bytes:
    return data if data.startswith(b"{") else bytes(cramjam.zstd.decompress(data))  # a body is JSON, and begins so
