from __future__ import annotations

import asyncio
import zlib
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import cramjam
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from pipeline.record import TP
from pipeline.state import table as table_module
from pipeline.state.restoring import restore_model
from pipeline.state.table import COMPRESSED_FROM, DamagedStateError, StageTable
from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

BODIES = pytest.mark.parametrize("body", [{}, {"a": [1, 2.5, None]}, {"rows": [[n, str(n)] for n in range(COMPRESSED_FROM)]}])


class CrashError(Exception):
    """The process is killed."""


class Table:
    """A Faust table as StageTable sees it: its store, and its changelog, of which a process writes so many records."""

    def __init__(self, changelog: Sequence[tuple[int, bytes, bytes | None]] = (), records: int = 1_000_000) -> None:
        self.data: dict[bytes, bytes] = {}
        for _, key, value in changelog:  # as Faust restores it
            if value is None:
                self.data.pop(key, None)
            else:
                self.data[key] = value
        self.changelog = list(changelog)
        self.records = records
        self.changelogs: dict[Any, int] = {(TP("changelog", 1), b"1/alerts"): 17}
        self.changelog_topic = SimpleNamespace(get_topic_name=lambda: "changelog")

    def Table(self, _name: str, **_: Any) -> Table:  # noqa: N802 - Faust's name
        return self

    def send_changelog(self, partition: int, key: bytes, value: bytes | None) -> asyncio.Future[None]:
        if len(self.changelog) == self.records:
            raise CrashError
        self.changelog.append((partition, key, value))
        confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        confirmed.set_result(None)
        return confirmed


@BODIES
async def test_what_is_loaded_is_what_was_saved_and_what_the_changelog_has(body: dict[str, Any]) -> None:
    table: Any = Table()
    state = StageTable(table, "state", 2)
    await state.save(1, "model", body)
    again: Any = Table(table.changelog)
    assert state.load(1, "model") == StageTable(again, "state", 2).load(1, "model") == body
    assert state.load(0, "model") is None


async def test_a_large_value_is_stored_smaller_than_it_is() -> None:
    table: Any = Table()
    await StageTable(table, "state", 1).save(0, "model", {"rows": [[n, "pod"] for n in range(COMPRESSED_FROM)]})
    assert len(table.changelog[0][2]) < COMPRESSED_FROM * 8 / 2


def test_a_value_of_an_earlier_release_is_plain_json() -> None:
    table: Any = Table()
    table.data[b"0/model"] = b'{"version":1}' + b" " * COMPRESSED_FROM
    assert StageTable(table, "state", 1).load(0, "model") == {"version": 1}


@pytest.mark.parametrize("value", [b"", b"what is this?", b"{", b"\xff" * 9, cramjam.zstd.compress(b"[1]")])
def test_a_value_that_cannot_be_read_names_its_place_what_is_lost_and_the_command(value: Any) -> None:
    table: Any = Table()
    table.data[b"1/alerts"] = bytes(value)
    reported = r"changelog\[1\] offset 17: the value of key '1/alerts' .* 'alerts' is lost.*: spanloom dlq skip changelog 1 17"
    with pytest.raises(DamagedStateError, match=reported):
        StageTable(table, "state", 2).load(1, "alerts")


def large(size: int, mark: int) -> dict[str, Any]:
    """A value that does not compress well."""
    return {"mark": mark, "items": [f"{i * 2654435761 % 2**32:x}{mark}" for i in range(size // 12)]}


@given(
    sizes=st.lists(st.sampled_from([10, 5_000, 30_000, 100_000]), min_size=1, max_size=5),
    records=st.integers(0, 60),
    restarts=st.booleans(),
)
async def test_what_was_saved_last_is_there_as_a_whole_whenever_the_process_is_killed(
    sizes: list[int],
    records: int,
    restarts: bool,  # noqa: FBT001  # hypothesis passes it so
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_module, "MAX_ROW", 4_000)
        table: Any = Table(records=records)
        state = StageTable(table, "state", 2)
        saved = begun = None
        for mark, size in enumerate(sizes):
            begun = large(size, mark)
            try:
                await state.save(0, "x", begun)
            except CrashError:
                break
            saved = begun
            if restarts:
                table = Table(table.changelog, records)
                state = StageTable(table, "state", 2)
        again: Any = Table(table.changelog)
        found = StageTable(again, "state", 2).load(0, "x")
        assert found in (saved, begun), "the last, or that which was being saved: whole"
        assert StageTable(again, "state", 2).load(1, "x") is None
        assert max((len(value or b"") for _, _, value in table.changelog), default=0) <= 4_000


async def test_rows_of_a_large_value_go_when_a_small_one_takes_its_place() -> None:
    table: Any = Table()
    state = StageTable(table, "state", 1)
    for mark in range(3):
        await state.save(0, "x", large(3_000_000, mark))
    assert len(table.data) > 2
    await state.save(0, "x", {"mark": 3})
    assert set(table.data) == {b"0/x"}
    assert Table(table.changelog).data == table.data


@pytest.mark.parametrize("data", [b"", b"other"])
async def test_chunks_that_do_not_belong_together_are_damage(data: bytes) -> None:
    table: Any = Table()
    await StageTable(table, "state", 1).save(0, "alerts", large(3_000_000, 1))
    table.data[b"0/alerts/1/0"] = data
    with pytest.raises(DamagedStateError, match="its 2 chunks do not belong together"):
        StageTable(table, "state", 1).load(0, "alerts")


EARLIER: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {
            "model": {"head": {"version": 1, "rows": {"pieces": [0, 2]}, "few": [1, 2]}, "pieces": 2},
            "model/0": {"rows": [[1], [2]]},
            "model/1": {"rows": [[3]]},
        },
        {"version": 1, "rows": [[1], [2], [3]], "few": [1, 2]},
    ),
    (
        {
            "model": {"parts": 2, "turn": 1, "crc": zlib.crc32(b'{"version":1,"text":"\xc3\xa4"}')},
            "model/1/0": {"text": '{"version":1,'},
            "model/1/1": {"text": '"text":"\u00e4"}'},
        },
        {"version": 1, "text": "\u00e4"},
    ),
]


@pytest.mark.parametrize(("rows", "value"), EARLIER)
async def test_large_values_of_release_0_1_are_read_and_their_rows_go_when_they_are_saved_anew(
    rows: dict[str, Any], value: dict[str, Any]
) -> None:
    table: Any = Table()
    table.data = {f"1/{name}".encode(): orjson.dumps(row) for name, row in rows.items()}
    state = StageTable(table, "state", 2)
    assert state.load(1, "model") == value
    await state.save(1, "model", value)
    assert (state.load(1, "model"), set(table.data)) == (value, {b"1/model"})


async def test_a_large_value_of_release_0_1_is_whole_until_the_new_one_is() -> None:
    rows, value = EARLIER[1]
    table: Any = Table(records=2)
    table.data = before = {f"1/{name}".encode(): orjson.dumps(row) for name, row in rows.items()}
    before = dict(before)
    with pytest.raises(CrashError):
        await StageTable(table, "state", 2).save(1, "model", large(3_000_000, 1))
    again: Any = Table(table.changelog)
    again.data = before | again.data
    assert StageTable(again, "state", 2).load(1, "model") == value


@pytest.mark.parametrize("key", ["model", "model/0"])
@pytest.mark.parametrize("value", ["{}", '{"a":1}', '{"head":{"version":9},"pieces":0}', '{"head":1,"pieces":"x"}', "garbage"])
async def test_a_model_of_release_0_1_that_is_damaged_learns_anew_and_says_so(key: str, value: str) -> None:
    table: Any = Table()
    table.data = {f"3/{name}".encode(): orjson.dumps(row) for name, row in EARLIER[0][0].items()}
    table.data[f"3/{key}".encode()] = value.encode()
    model = Model({"nothing": "restored"})
    with capture_logs() as said:
        restore_model(StageTable(table, "state", 4), 3, "model", model)
    assert model.body == {"nothing": "restored"}
    assert [(line["event"], line["name"], line["partition"]) for line in said] == [("state_unreadable", "model", 3)]


async def test_a_model_whose_layout_is_another_learns_anew() -> None:
    table: Any = Table()
    state, model = StageTable(table, "state", 4), Model({"nothing": "restored"})
    restore_model(state, 3, "model", model)
    assert model.body == {"nothing": "restored"}
    await state.save(3, "model", {"version": 2, "body": {}})
    restore_model(state, 3, "model", model)
    assert model.body == {"nothing": "restored"}
    await state.save(3, "model", {"version": 1, "body": {"rows": [1]}})
    restore_model(state, 3, "model", model)
    assert model.body == {"rows": [1]}


class Model:
    """Has learnt its body."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.body = body

    def snapshot(self) -> dict[str, Any]:
        return {"version": 1, "body": self.body}

    def restore(self, snapshot: dict[str, Any]) -> None:
        if snapshot["version"] != 1 or not isinstance(snapshot["body"], dict):
            raise InputError("another version")
        self.body = snapshot["body"]
