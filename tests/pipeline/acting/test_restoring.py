"""State that an owner finds and cannot use: learnt anew where the telemetry brings it back, else damage with the way out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from pipeline.record import TP
from pipeline.state.table import DamagedStateError, StageTable
from tests.pipeline.state.test_table import Table
from tests.pipeline.test_act import World

if TYPE_CHECKING:
    from pathlib import Path

VALUES = pytest.mark.parametrize(
    "value",
    [
        b"\xff\x00garbage",
        b"{}",
        b'{"a":1}',
        b'{"version":99}',
        b'{"version":1}',
        b'{"parts":"x"}',
        b'{"version":1,"fed":{"a":"b"}}',
    ],
    ids=["no JSON", "nothing", "no version", "another version", "version alone", "no parts", "no readers"],
)


def world_with(folder: Path, name: str, value: bytes) -> World:
    table: Any = Table()
    table.data[f"0/{name}".encode()] = value
    table.changelogs[TP("changelog", 0), f"0/{name}".encode()] = 42
    world = World(folder)
    world.table = StageTable(table, "act", 1)  # type: ignore[assignment]
    return world


@VALUES
@pytest.mark.parametrize("name", ["engine", "alertmanager", "rules", "healer", "approvals", "settings", "environments"])
async def test_what_nothing_brings_back_is_damage_that_names_the_command(tmp_path: Path, name: str, value: bytes) -> None:
    world = world_with(tmp_path, name, value)
    reported = rf"changelog\[0\] offset 42: the value of key '0/{name}' .*: spanloom dlq skip changelog 0 42$"
    with pytest.raises(DamagedStateError, match=reported):
        await world.begin()
    await world.crash()


@VALUES
async def test_rankings_are_made_anew(tmp_path: Path, value: bytes) -> None:
    world = world_with(tmp_path, "rankings", value)
    with capture_logs() as said:
        await world.begin()
    assert [(line["name"], line["partition"]) for line in said if line["event"] == "state_unreadable"] == [("rankings", 0)]
    assert world.alerting.owned
    await world.crash()


@VALUES
async def test_where_sources_are_lost_a_human_is_asked(tmp_path: Path, value: bytes) -> None:
    world = world_with(tmp_path, "sources", value)
    with capture_logs() as said:
        await world.begin()
    assert [(line["name"], line["partition"]) for line in said if line["event"] == "state_unreadable"] == [("sources", 0)]
    assert "dlq skip" not in str(said), "giving it up by hand would end the doubt"
    trust = world.alerting.runner.healer.trust
    assert "it must be answered by a human" in trust.doubt("")
    assert trust.unsaved, "and so it is after the next start"
    await world.crash()
