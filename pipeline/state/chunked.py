"""State larger than a record: cut into parts, and taken as a whole or not at all.

Parts are written beside those of the version before, and then a row that names them: a crash in between leaves the old one.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Protocol

import orjson

from telemetry.errors import InputError

if TYPE_CHECKING:
    from telemetry.documents import Body
    from telemetry.json_object import JsonObject

SMALL = 256 << 10
"""Bytes up to which a value is one row."""
PART = 256 << 10
"""Characters of a part: a record that every broker takes, whatever has to be escaped in it and before rows are compressed."""


class Rows(Protocol):
    """Keeps rows; `pipeline.state.table.State` does."""

    def load(self, partition: int, name: str) -> Body | None:
        """The newest value, or None."""
        ...

    async def save(self, partition: int, name: str, value: Body) -> None:
        """Return when the value would survive a kill -9."""
        ...


class LargeState:
    """Rows of any size over rows that fit into records."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._turns: dict[tuple[int, str], int] = {}

    def load(self, partition: int, name: str) -> Body | None:
        """The newest value, or None.

        Raises:
            InputError: a part is missing or is not what was written.
        """
        head = self._rows.load(partition, name)
        if head is None or "parts" not in head:
            return head
        turn = self._turns[partition, name] = head["turn"]
        parts = [self._rows.load(partition, _part(name, turn, i)) or {"text": ""} for i in range(head["parts"])]
        data = "".join(part["text"] for part in parts).encode()
        if zlib.crc32(data) != head["crc"]:
            raise InputError(f"state {name} of partition {partition}: its {head['parts']} parts do not belong together")
        value: JsonObject = orjson.loads(data)
        return value

    async def save(self, partition: int, name: str, value: Body) -> None:
        """Return when the value would survive a kill -9."""
        data = orjson.dumps(value)
        if len(data) <= SMALL:
            await self._rows.save(partition, name, value)
            return
        if (partition, name) not in self._turns:
            self._turns[partition, name] = self._last_turn(partition, name)
        turn = self._turns[partition, name] = 1 - self._turns[partition, name]
        text = data.decode()
        parts = [text[i : i + PART] for i in range(0, len(text), PART)]
        for i, part in enumerate(parts):
            await self._rows.save(partition, _part(name, turn, i), {"text": part})
        await self._rows.save(partition, name, {"parts": len(parts), "turn": turn, "crc": zlib.crc32(data)})

    def _last_turn(self, partition: int, name: str) -> int:
        try:
            turn = (self._rows.load(partition, name) or {}).get("turn", 0)
        except InputError:  # its owner knows; what is saved now takes its place
            return 0
        return 1 if turn == 1 else 0


def _part(name: str, turn: int, number: int) -> str:
    return f"{name}/{turn}/{number}"
