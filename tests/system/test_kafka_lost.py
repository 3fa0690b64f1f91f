"""A broker that goes away: short lines in the log, and an end in time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import httpx2
import pytest

from telemetry import otlp
from tests.generated import traces
from tests.services import free_port
from tests.system.cluster import Role, Service

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]

AWAY = 6.0
"""Seconds without the broker: its clients complain some hundred times in one."""


def test_a_process_that_has_lost_its_broker_says_so_in_few_lines_and_ends_when_told(tmp_path: Path) -> None:
    kafka = Service("kafka", tmp_path / "kafka")
    kafka.start()
    up = Role("up", tmp_path, SPANLOOM_LOG=f"kafka://127.0.0.1:{kafka.port}")
    try:
        up.start()
        up.wait_ready(150)
        assert sent(up) == 200
        kafka.stop()
        time.sleep(AWAY)
        assert sent(up) == 503
        reported = time.monotonic()
        up.stop()
        assert time.monotonic() - reported < 30
    finally:
        up.stop()
        kafka.stop()
    said = up.log.read_text()
    assert "Traceback" not in said
    assert "locals" not in said
    assert len(said.splitlines()) < 60, said


@pytest.mark.parametrize("arguments", [["collector"], ["worker", "--once"]])
def test_a_process_that_waits_for_its_broker_at_the_start_ends_when_told(tmp_path: Path, arguments: list[str]) -> None:
    nobody = {"SPANLOOM_LOG": f"kafka://127.0.0.1:{free_port()}", "SPANLOOM_STORE": f"http://127.0.0.1:{free_port()}"}
    role = Role(arguments[0], tmp_path, *arguments[1:], **nobody)
    try:
        role.start()
        deadline = time.monotonic() + 60
        while "waiting_for_kafka" not in role.log.read_text():
            assert time.monotonic() < deadline, role.log.read_text()
            time.sleep(0.05)
        reported = time.monotonic()
        assert role.stop() == 0
        assert time.monotonic() - reported < 10
    finally:
        role.stop()
    assert "Traceback" not in role.log.read_text()


def sent(up: Role) -> int:
    """What the collector answers to a trace."""
    (spans,) = traces(1)
    headers = {"content-type": "application/x-protobuf"}
    return httpx2.post(f"{up.otlp}/v1/traces", content=otlp.encode_spans(spans), headers=headers, timeout=60).status_code
