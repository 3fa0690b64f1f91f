from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from pipeline.state.model_snapshots import CHUNK, load_snapshot, save_snapshot
from telemetry.errors import InputError

PLAIN = st.recursive(
    st.integers(-(2**53), 2**53) | st.text(max_size=4) | st.none() | st.booleans(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)
ROWS = st.integers(0, 3 * CHUNK).map(lambda count: [[number, str(number)] for number in range(count)])
BODIES = st.dictionaries(
    st.text("abc", max_size=3), PLAIN | ROWS | st.dictionaries(st.text("xyz", max_size=2), ROWS, max_size=2)
)


class Table:
    def __init__(self) -> None:
        self.values: dict[tuple[int, str], bytes] = {}

    def load(self, partition: int, name: str) -> Any:
        value = self.values.get((partition, name))
        return None if value is None else orjson.loads(value)

    async def save(self, partition: int, name: str, value: Any) -> None:
        self.values[partition, name] = orjson.dumps(value)


class Model:
    def __init__(self, body: dict[str, Any], version: int = 1) -> None:
        self.body, self.version = body, version

    def snapshot(self) -> dict[str, Any]:
        return {"version": self.version, "body": self.body}

    def restore(self, snapshot: dict[str, Any]) -> None:
        if snapshot["version"] != self.version:
            raise InputError("another version")
        self.body = snapshot["body"]


async def restored(table: Any, version: int = 1) -> dict[str, Any]:
    model = Model({"nothing": "restored"}, version)
    load_snapshot(table, 3, "model", model)
    return model.body


@given(BODIES)
async def test_what_is_loaded_is_what_was_saved_whatever_its_length(body: dict[str, Any]) -> None:
    table: Any = Table()
    await save_snapshot(table, 3, "model", Model(body))
    assert await restored(table) == body
    assert all(len(orjson.loads(value).get("rows", ())) <= CHUNK for value in table.values.values())


async def test_a_shorter_snapshot_replaces_a_longer_one() -> None:
    table: Any = Table()
    for count in (5 * CHUNK, CHUNK + 1, 3):
        await save_snapshot(table, 3, "model", Model({"rows": list(range(count))}))
        assert await restored(table) == {"rows": list(range(count))}


async def test_a_model_whose_layout_is_another_learns_anew() -> None:
    table: Any = Table()
    await save_snapshot(table, 3, "model", Model({"rows": [1]}))
    assert await restored(table, version=2) == {"nothing": "restored"}
    assert await restored(Table()) == {"nothing": "restored"}


@pytest.mark.parametrize("key", ["model", "model/0"])
@pytest.mark.parametrize("value", ["{}", '{"a":1}', '{"head":{"version":9},"pieces":0}', '{"head":1,"pieces":"x"}', "garbage"])
async def test_a_model_whose_state_is_of_another_form_learns_anew_and_says_so(key: str, value: str) -> None:
    table: Any = Table()
    await save_snapshot(table, 3, "model", Model({"rows": [[n] for n in range(3 * CHUNK)]}))
    table.values[3, key] = value.encode()
    with capture_logs() as said:
        assert await restored(table) == {"nothing": "restored"}
    assert [(line["event"], line["name"], line["partition"]) for line in said] == [("state_not_read", "model", 3)]
