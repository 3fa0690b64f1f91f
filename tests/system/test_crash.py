"""A record that a stage fails at: the process ends, starts again, reads it again, and gives up in the end, naming it."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx2
import pytest

from pipeline.durable_log import DurableLog
from spanloom import clock
from spanloom.exit_codes import CRASHED
from spanloom.supervise import MOST
from telemetry import otlp
from tests.generated import traces
from tests.system.processes import Up

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

TOPIC = "spanloom-traced"


async def append_unreadable(directory: Path) -> tuple[int, int]:
    """Put a record that no stage of ours writes on a topic between ours; gives its partition and offset."""
    log = DurableLog(directory, clock.system)
    try:
        partition = 1
        return partition, await log.append(TOPIC, partition, None, b"what is this?", ())
    finally:
        log.close()


def test_a_record_that_always_fails_is_read_again_at_each_start_until_it_gives_up_and_names_it(tmp_path: Path) -> None:
    up = Up(tmp_path)
    up.start()
    up.wait_ready()
    body = otlp.encode_spans(next(traces(1)))
    sent = httpx2.post(f"{up.otlp}/v1/traces", content=body, headers={"content-type": "application/x-protobuf"})
    assert sent.is_success
    up.stop()
    partition, offset = asyncio.run(append_unreadable(tmp_path / "data" / "log"))

    ended = subprocess.run(
        [sys.executable, "-m", "spanloom.cli", "up"],
        env=up.environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ended.returncode == CRASHED
    place = re.escape(f"{TOPIC}[{partition}] offset {offset}: KeyError")
    crashes = ended.stderr.split("restarting")
    assert len(crashes) == MOST + 1
    for crash in crashes:
        assert re.search(place, crash), crash[-2000:]
    assert "gave_up" in crashes[-1]
