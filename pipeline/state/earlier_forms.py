"""How release 0.1 cut large values: read until they are saved again."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry.documents import Body

_TEXT = {"parts", "turn", "crc"}
"""Keys of the row of a value whose JSON was cut into texts."""

_LISTS = {"head", "pieces"}
"""Keys of the row of a model whose long lists were cut into pieces."""


def rows_of(name: str, head: Body) -> list[str]:
    """The names of the rows that a value consists of, but for the first."""
    if head.keys() == _TEXT:
        return [f"{name}/{head['turn']}/{number}" for number in range(head["parts"])]
    if head.keys() == _LISTS:
        return [f"{name}/{number}" for number in range(head["pieces"])]
    return []


def joined(name: str, head: Body, row: Callable[[str], Body | None]) -> Body:
    """The value whose first row this is.

    Raises:
        ValueError: a part is missing or is not what was written.
        KeyError: it has another form.
        TypeError: as well.
    """
    rows = rows_of(name, head)
    if head.keys() == _TEXT:
        data = "".join((row(each) or {"text": ""})["text"] for each in rows).encode()
        if zlib.crc32(data) != head["crc"]:
            raise ValueError(f"its {head['parts']} parts do not belong together")
        value: Body = orjson.loads(data)
        return value
    if head.keys() == _LISTS:
        model: Body = _model(head["head"], [(row(each) or {"rows": []})["rows"] for each in rows])
        return model
    return head


def _model(head: Any, pieces: list[list[Any]]) -> Any:
    if isinstance(head, dict):
        if head.keys() == {"pieces"}:
            first, end = head["pieces"]
            return [row for rows in pieces[first:end] for row in rows]
        return {key: _model(item, pieces) for key, item in head.items()}
    return head
