"""Snapshots of models in a state table: cut into pieces that fit into records, and forgotten when their layout is another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from pipeline.state.restoring import UNFIT, log_relearning

if TYPE_CHECKING:
    from pipeline.state.table import StageTable
    from telemetry.json_object import JsonObject

CHUNK = 100
"""Rows of one value of the table: the model of a series is 6 KB at most, and brokers take records of 1 MiB."""

WHOLE = 50
"""Rows that stay where they are."""


class Model(Protocol):
    """What has learnt something."""

    def snapshot(self) -> JsonObject:
        """Plain data, with a version."""
        ...

    def restore(self, snapshot: JsonObject) -> None:
        """Take the state of a snapshot; InputError where its version is another."""
        ...


async def save_snapshot(state: StageTable, partition: int, name: str, model: Model) -> None:
    """Return when what the model knows would survive a kill -9.

    A crash in between leaves pieces of two snapshots: each row is whole, some are a minute older than others.
    """
    pieces: list[list[object]] = []
    head = _cut(model.snapshot(), pieces)
    for number, rows in enumerate(pieces):
        await state.save(partition, f"{name}/{number}", {"rows": rows})
    await state.save(partition, name, {"head": head, "pieces": len(pieces)})


def load_snapshot(state: StageTable, partition: int, name: str, model: Model) -> None:
    """Let the model take what was saved last; where that cannot be read or has another form, it learns anew."""
    empty = model.snapshot()
    try:
        saved = state.load(partition, name)
        if saved is None:
            return
        found = (state.load(partition, f"{name}/{number}") for number in range(saved["pieces"]))
        pieces = [piece["rows"] if piece is not None else [] for piece in found]
        model.restore(_joined(saved["head"], pieces))
    except UNFIT as error:
        log_relearning(name, partition, error)
        model.restore(empty)  # it may have taken a part


def _cut(value: object, pieces: list[list[object]]) -> object:
    """The value with its long lists (at any depth of dicts) replaced by where their pieces are."""
    if isinstance(value, dict):
        return {key: _cut(item, pieces) for key, item in value.items()}
    if isinstance(value, list) and len(value) > WHOLE:
        first = len(pieces)
        pieces.extend(value[start : start + CHUNK] for start in range(0, len(value), CHUNK))
        return {"pieces": [first, len(pieces)]}
    return value


def _joined(head: Any, pieces: list[list[object]]) -> Any:
    """Inverse of `_cut`."""
    if isinstance(head, dict):
        if set(head) == {"pieces"}:
            first, end = head["pieces"]
            return [row for rows in pieces[first:end] for row in rows]
        return {key: _joined(item, pieces) for key, item in head.items()}
    return head
