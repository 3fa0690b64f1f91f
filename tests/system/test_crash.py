"""A record that a stage fails at: the process ends, starts again, reads it again, and gives up in the end, naming it."""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import TYPE_CHECKING

import httpx2
import pytest

from durable_log.log import DurableLog
from durable_log.partition import TopicSettings
from spanloom import clock
from spanloom.process.exit_codes import CRASHED
from spanloom.supervise import MOST
from telemetry import otlp
from tests.generated import traces
from tests.system.processes import Up, injected, run_command

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.timeout(500)]

TOPIC, PARTITION = "spanloom-traced", 1

FAULT = """
import pipeline.assemble as stage
received = stage.received
def fail(event, *arguments):
    if "test.fail" in event.headers:
        raise KeyError("a fault of ours")
    return received(event, *arguments)
stage.received = fail
"""


async def append(directory: Path, topic: str, value: bytes, **headers: bytes) -> int:
    """Put a record on a topic between ours; gives its offset."""
    log = DurableLog(directory, clock.system)
    try:
        alone = topic == "spanloom-signals"  # it has one partition
        log.create_topic(topic, TopicSettings(1 if alone else 4))
        return await log.append(topic, 0 if alone else PARTITION, None, value, tuple(headers.items()))
    finally:
        log.close()


def spanloom(up: Up, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_command(up.environment, *arguments)


def post_a_trace(up: Up) -> None:
    body = otlp.encode_spans(next(traces(1)))
    sent = httpx2.post(f"{up.otlp}/v1/traces", content=body, headers={"content-type": "application/x-protobuf"})
    assert sent.is_success


def test_a_record_that_always_fails_is_named_when_it_gives_up_and_a_person_can_skip_it(tmp_path: Path) -> None:
    (tmp_path / "fault").mkdir()
    up = Up(tmp_path, PYTHONPATH=injected(tmp_path / "fault", FAULT))
    offset = asyncio.run(append(tmp_path / "data" / "log", TOPIC, b"", **{"test.fail": b"1"}))
    ended = spanloom(up, "up")
    assert ended.returncode == CRASHED
    place = re.escape(f"{TOPIC}[{PARTITION}] offset {offset}: KeyError")
    crashes = ended.stderr.split("restarting")
    assert len(crashes) == MOST + 1
    for crash in crashes:
        assert re.search(place, crash), crash[-2000:]
    assert "restart_limit_reached" in crashes[-1]

    skipped = spanloom(up, "dlq", "skip", TOPIC, str(PARTITION), str(offset), "--yes", "--json")
    assert skipped.returncode == 0, skipped.stderr
    assert json.loads(skipped.stdout)["headers"] == {"test.fail": "1"}
    up.start()
    try:
        up.wait_ready()
        post_a_trace(up)
        deadline = time.monotonic() + 120
        while not up.status()["spans_stored"]:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        (letter,) = map(json.loads, spanloom(up, "dlq", "list", "--json").stdout.splitlines())
        assert (letter["topic"], letter["offset"]) == (TOPIC, offset)
    finally:
        up.stop()


def test_records_between_stages_that_cannot_be_read_are_dead_letters_and_end_nothing(tmp_path: Path) -> None:
    up = Up(tmp_path)
    topics = {"spanloom-traced", "spanloom-series", "spanloom-signals"}
    for topic in topics:
        asyncio.run(append(tmp_path / "data" / "log", topic, b"what is this?", **{"spanloom.batch": b"spans"}))
        asyncio.run(append(tmp_path / "data" / "log", topic, b"what is this?"))
    up.start()
    try:
        up.wait_ready()
        post_a_trace(up)
        deadline = time.monotonic() + 120
        while (status := up.status())["dead_letters"] < 6 or not status["spans_stored"]:
            assert time.monotonic() < deadline, status
            time.sleep(0.2)
        letters = [json.loads(line) for line in spanloom(up, "dlq", "list", "--json").stdout.splitlines()]
        assert {letter["topic"] for letter in letters} == topics
    finally:
        up.stop()
    assert "restarting" not in (tmp_path / "up.log").read_text()
