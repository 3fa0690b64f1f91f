"""State that survives a crash: the newest value of each name, in a Faust table with its changelog.

A value larger than a record is cut into chunks, beside those of the version before, and then a row that names them: a crash
in between leaves the old version, whole.
"""

from __future__ import annotations

import zlib
from copy import copy
from typing import TYPE_CHECKING, Any

import cramjam
import orjson

from pipeline.record import TP
from pipeline.state.earlier_forms import joined, rows_of
from telemetry.environment import DEFAULT_ENVIRONMENT
from telemetry.errors import InputError, UnrecoverableError

if TYPE_CHECKING:
    from telemetry.documents import Body

COMPRESSED_FROM = 4096
"""Bytes from which a value is compressed: models of series shrink to two fifths, at a third of what JSON costs."""

MAX_ROW = 512 << 10
"""Bytes of a row: a record that every broker accepts."""

_HEAD = {"chunks", "turn", "crc"}
"""Keys of the row that names the chunks of a large value."""


class DamagedStateError(InputError, UnrecoverableError):
    """A value of the table cannot be used. The message names what is lost without it, and the command that discards it.

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

    scope = ""
    """What its names begin with."""

    def __init__(self, app: Any, name: str, partitions: int) -> None:
        self._written_at = app.changelogs
        self._table = app.Table(name, partitions=partitions, key_type=bytes, value_type=bytes)

    def scoped(self, environment: str) -> StageTable:
        """The part of this table that is one environment's. That of the default environment has no names of its own."""
        part = copy(self)
        part.scope = "" if environment == DEFAULT_ENVIRONMENT else f"environment:{environment}/"
        return part

    def load(self, partition: int, name: str) -> Body | None:
        """The newest value, or None.

        Raises:
            DamagedStateError: nobody of ours wrote it so.
        """
        try:
            return self._body(partition, name)
        except (ValueError, TypeError, KeyError, cramjam.DecompressionError) as error:
            raise self.damaged(partition, name, error) from error

    def _body(self, partition: int, name: str) -> Body | None:
        body = self._row(partition, name)
        if body is None:
            return None
        if body.keys() == _HEAD:
            data = b"".join(
                self._table.data[self._key(partition, each)] for each in _chunks(name, body["turn"], body["chunks"])
            )
            if zlib.crc32(data) != body["crc"]:
                raise ValueError(f"its {body['chunks']} chunks do not belong together")
            return _parsed(data)
        return joined(name, body, lambda each: self._row(partition, each))

    def _row(self, partition: int, name: str) -> Body | None:
        value = self._table.data.get(self._key(partition, name))
        return None if value is None else _parsed(value)

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
        data = _packed(orjson.dumps(value))
        turn, replaced = self._turn(partition, name)
        if len(data) > MAX_ROW:
            chunks = [data[start : start + MAX_ROW] for start in range(0, len(data), MAX_ROW)]
            for each, chunk in zip(_chunks(name, 1 - turn, len(chunks)), chunks, strict=True):
                await self._put(partition, each, chunk)
            data = orjson.dumps({"chunks": len(chunks), "turn": 1 - turn, "crc": zlib.crc32(data)})
        await self._put(partition, name, data)
        for each in replaced:
            await self._put(partition, each, None)

    def _turn(self, partition: int, name: str) -> tuple[int, list[str]]:
        """Which of the two places of chunks the present value has, and the names of all its rows but the first."""
        try:
            head = self._row(partition, name) or {}
            if head.keys() == _HEAD:
                return int(head["turn"]), _chunks(name, head["turn"], head["chunks"])
            return int(head.get("turn", 0)), rows_of(name, head)
        except (ValueError, TypeError, cramjam.DecompressionError):  # its owner knows; what is saved now takes its place
            return 0, []

    async def _put(self, partition: int, name: str, data: bytes | None) -> None:
        key = self._key(partition, name)
        if data is None:
            self._table.data.pop(key, None)
        else:
            self._table.data[key] = data
        await self._table.send_changelog(partition, key, data)

    def _key(self, partition: int, name: str) -> bytes:
        return f"{partition}/{self.scope}{name}".encode()


def _chunks(name: str, turn: int, count: int) -> list[str]:
    return [f"{name}/{turn}/{number}" for number in range(count)]


def _parsed(data: bytes) -> Body:
    body = orjson.loads(_unpacked(data))
    if not isinstance(body, dict):
        raise ValueError("it is no object")  # noqa: TRY004 - data that is wrong, no argument
    return body


def _packed(data: bytes) -> bytes:
    return bytes(cramjam.zstd.compress(data, level=1)) if len(data) >= COMPRESSED_FROM else data


def _unpacked(data: bytes) -> bytes:
    return data if data.startswith(b"{") else bytes(cramjam.zstd.decompress(data))  # a body is JSON, and begins so
