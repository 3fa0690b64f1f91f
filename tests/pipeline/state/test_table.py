from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import cramjam
import pytest

from pipeline.record import TP
from pipeline.state.table import COMPRESSED_FROM, DamagedStateError, StageTable

BODIES = pytest.mark.parametrize("body", [{}, {"a": [1, 2.5, None]}, {"rows": [[n, str(n)] for n in range(COMPRESSED_FROM)]}])


class Table:
    """A Faust table as State sees it: its store, and its changelog."""

    def __init__(self) -> None:
        self.data: dict[bytes, bytes] = {}
        self.changelog: list[tuple[int, bytes, bytes]] = []
        self.changelogs: dict[Any, int] = {(TP("changelog", 1), b"1/alerts"): 17}
        self.changelog_topic = SimpleNamespace(get_topic_name=lambda: "changelog")

    def Table(self, _name: str, **_: Any) -> Table:  # noqa: N802 - Faust's name
        return self

    def send_changelog(self, partition: int, key: bytes, value: bytes) -> asyncio.Future[None]:
        self.changelog.append((partition, key, value))
        confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        confirmed.set_result(None)
        return confirmed


@BODIES
async def test_what_is_loaded_is_what_was_saved_and_what_the_changelog_has(body: dict[str, Any]) -> None:
    table: Any = Table()
    state = StageTable(table, "state", 2)
    await state.save(1, "model", body)
    again: Any = Table()
    again.data = {key: value for _, key, value in table.changelog}
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
    told = r"changelog\[1\] offset 17: the value of key '1/alerts' .* 'alerts' is lost.*: spanloom dlq skip changelog 1 17"
    with pytest.raises(DamagedStateError, match=told):
        StageTable(table, "state", 2).load(1, "alerts")
