"""Dead letters of the embedded log: listed and replayed whether `spanloom up` runs or not."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from durable_log.log import DurableLog
from durable_log.partition import TopicSettings
from tests.system.processes import Up

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.system

PATIENCE = 120.0


def dlq(up: Up, *arguments: str) -> str:
    command = [sys.executable, "-m", "spanloom.cli", "dlq", *arguments]
    done = subprocess.run(command, env=up.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def letters(up: Up, count: int) -> list[dict[str, Any]]:
    """So many, as soon as they are there."""
    deadline = time.monotonic() + PATIENCE
    while True:
        found = [json.loads(line) for line in dlq(up, "list", "--json").splitlines()]
        if len(found) >= count or time.monotonic() > deadline:
            return found


async def put_an_unreadable_record(directory: Path) -> None:
    log = DurableLog(directory, time.monotonic_ns)
    log.create_topic("otlp_spans", TopicSettings(4))
    await log.append("otlp_spans", 3, None, b"\xff\xff")
    log.close()


async def test_they_are_listed_and_replayed_while_up_runs_and_when_it_is_stopped(tmp_path: Path) -> None:
    up = Up(tmp_path)
    await put_an_unreadable_record(tmp_path / "data" / "log")
    up.start()
    try:
        up.wait_ready(120)
        (first,) = letters(up, 1)
        assert (first["topic"], first["partition"], first["offset"]) == ("otlp_spans", 3, 0)
        assert dlq(up, "replay") == "otlp_spans: 1 replayed\n"
        assert [letter["offset"] for letter in letters(up, 2)] == [0, 1], "it is as unreadable as before"
    finally:
        up.stop()
    assert [letter["offset"] for letter in letters(up, 2)] == [0, 1]
    assert dlq(up, "replay") == "otlp_spans: 1 replayed\n"
    assert dlq(up, "replay") == "nothing to replay\n"
