"""What a later release left is recognised before anything is changed; what is damaged is named."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
from typing import TYPE_CHECKING, Any

import duckdb
import orjson
import pytest

from durable_log.log import DurableLog
from spanloom import clock
from tests.system.processes import injected, run_command
from tests.upgrade.archives import unpack

if TYPE_CHECKING:
    from pathlib import Path

    from durable_log.record_format import Headers

STATE = "spanloom-spanloom-state-changelog"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """What 0.2.0 left behind."""
    unpack("0.2.0", tmp_path)
    return tmp_path / "data"


def upgrade(data: Path, *options: str, expected: int = 0, **settings: str) -> dict[str, Any]:
    """What `spanloom upgrade` reports, with its exit code as expected."""
    done = run_command({**os.environ, "SPANLOOM_DATA_DIR": str(data), **settings}, "upgrade", "--json", *options)
    assert done.returncode == expected, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout) if done.stdout else {"said": done.stderr}
    return found


def refused(report: dict[str, Any]) -> dict[str, str]:
    """Why, by name."""
    return {each["name"]: each["text"] for each in report["items"] if each["outcome"] == "refused"}


def columns(data: Path) -> set[str]:
    with duckdb.connect(str(data / "spanloom.duckdb"), read_only=True) as connection:
        asked = "SELECT table_name FROM duckdb_columns() WHERE column_name = 'environment'"
        return {name for (name,) in connection.execute(asked).fetchall()}


def append(data: Path, topic: str, key: bytes | None, value: bytes, headers: Headers = ()) -> None:
    """A record that another release wrote."""

    async def write() -> None:
        log = DurableLog(data / "log", clock.system)
        try:
            await log.append(topic, 0, key, value, headers)
        finally:
            log.close()

    asyncio.run(write())


def test_state_and_records_of_a_later_release_are_refused_and_nothing_is_changed(data: Path) -> None:
    append(data, STATE, b"0/engine", orjson.dumps({"version": 99, "groups": [], "ended": []}))
    append(data, STATE, b"0/environments", orjson.dumps({"version": 99, "names": ["staging"]}))
    append(data, "spanloom-traced", None, b"?", (("spanloom.batch", b"spans"), ("spanloom.format", b"2")))
    before = columns(data)
    reasons = refused(upgrade(data, expected=1))
    assert reasons.keys() == {"engine", "environments", "spanloom-traced in flight"}
    assert "version 99" in reasons["engine"]
    assert "upgrade this worker" in reasons["spanloom-traced in flight"]
    assert columns(data) == before


def test_a_store_of_a_later_release_is_refused(data: Path) -> None:
    with duckdb.connect(str(data / "spanloom.duckdb")) as connection:
        connection.execute("UPDATE spanloom_schema SET version = 2")
    (reason,) = refused(upgrade(data, "--dry-run", expected=1)).values()
    assert "schema version 2, this Spanloom reads 1" in reason


def test_a_model_of_another_form_is_learned_again_and_refuses_nothing(data: Path) -> None:
    append(data, "spanloom-spanloom-scores-changelog", b"0/shapes", orjson.dumps({"version": 99}))
    append(data, STATE, b"0/rankings", orjson.dumps({"version": 99}))
    found = {each["name"]: each for each in upgrade(data, "--dry-run")["items"]}
    for name in ("shapes", "rankings"):
        assert found[name]["outcome"] == "relearned"
        assert "99" in found[name]["text"]


def test_a_folder_on_which_a_spanloom_runs_is_left_alone(data: Path) -> None:
    with (data / "up.lock").open("w") as lock:
        lock.write("4711")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        said = upgrade(data, "--dry-run", expected=2)["said"]
    assert "runs on this folder already, as process 4711" in said


KILLED = """
import os
import stores.duckdb.schema as schema
asked, seen = schema.missing_columns, []
def missing_columns(connection, kind):
    found = asked(connection, kind)
    seen.append(kind)
    if len(seen) > 20:
        os.kill(os.getpid(), 9)
    return found
schema.missing_columns = missing_columns
"""
"""Ends the process while columns are added: the first look at the 13 tables is the report's."""


def test_a_kill_while_columns_are_added_leaves_the_tables_as_they_were(data: Path, tmp_path: Path) -> None:
    before = columns(data)
    (tmp_path / "site").mkdir()
    upgrade(data, expected=-signal.SIGKILL, PYTHONPATH=injected(tmp_path / "site", KILLED))
    assert columns(data) == before
    changed = [each for each in upgrade(data)["items"] if each["outcome"] == "changed"]
    assert len(changed) == 11
    assert columns(data) == before | {each["name"] for each in changed}


def test_where_nothing_is_there_yet_nothing_is_made(tmp_path: Path) -> None:
    report = upgrade(tmp_path / "none")
    assert {each["outcome"] for each in report["items"]} == {"note"}
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("path", [f"{STATE}/topic.json", f"{STATE}/0", ""])
def test_what_the_system_does_not_let_be_read_is_refused_with_the_rest_of_the_report(data: Path, path: str) -> None:
    there = data / "log" / "topics" / path
    there.rename(data / "away")
    if path.endswith(".json"):
        there.mkdir()
    else:
        there.write_bytes(b"")
    report = upgrade(data, expected=1)
    (reason,) = refused(report).values()
    assert str(there) in reason
    assert {each["part"] for each in report["items"]} >= {"log", "store"}
