"""What ends a start for good: said in one line, with exit code 1 or 2, and not tried five times."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx2
import pytest

from spanloom.process.exit_codes import FAILED, REFUSED
from telemetry import otlp
from tests.generated import traces
from tests.system.processes import Up

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


def ends(up: Up, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command, or a start, that is expected to end by itself."""
    command = [sys.executable, "-m", "spanloom.cli", *(arguments or ("up",))]
    return subprocess.run(command, env=up.environment, capture_output=True, text=True, timeout=120, check=False)


def test_a_second_up_on_a_folder_ends_at_once_and_leaves_the_first_alone(tmp_path: Path) -> None:
    first = Up(tmp_path)
    first.start()
    try:
        first.wait_ready()
        second = ends(Up(tmp_path))
        assert second.returncode == REFUSED
        assert "runs on this folder already, as process" in second.stderr
        assert "restarting" not in second.stderr
        assert first.status()["spans_received"] == 0
    finally:
        first.stop()
    assert "Starting..." not in (tmp_path / "up.log").read_text(), "what Faust says of its services"


def damage(path: Path) -> None:
    """Cut a file to five bytes."""
    with path.open("r+b") as file:
        file.truncate(5)


def test_a_log_that_lacks_confirmed_records_is_refused_until_their_loss_is_accepted(tmp_path: Path) -> None:
    up = Up(tmp_path)
    up.start()
    try:
        up.wait_ready()
        body = otlp.encode_spans(next(traces(1)))
        sent = httpx2.post(f"{up.otlp}/v1/traces", content=body, headers={"content-type": "application/x-protobuf"})
        assert sent.is_success
    finally:
        up.kill()
    written = [path for path in (tmp_path / "data/log/topics/otlp_spans").glob("*/*.log") if path.stat().st_size > 16]
    assert len(written) == 1
    damage(written[0])
    refused = ends(up)
    assert refused.returncode == FAILED
    assert str(written[0]) in refused.stderr
    assert "spanloom log repair" in refused.stderr
    assert "restarting" not in refused.stderr
    repaired = ends(up, "log", "repair", "--yes", "--json")
    assert repaired.returncode == 0, repaired.stderr
    partition = written[0].parent.name
    assert f"otlp_spans[{partition}]: records 0 to 0 are lost" in json.loads(repaired.stdout)["repairs"]
    up.start()
    try:
        up.wait_ready()
    finally:
        up.stop()
    store = tmp_path / "data" / "spanloom.duckdb"
    store.unlink()
    refused = ends(up)
    assert refused.returncode == FAILED
    assert f"{store}: the store's file is missing" in refused.stderr
    store.touch()
    assert f"{store}: the store's file is empty" in ends(up).stderr
    store.write_bytes(b"no database" * 1000)
    refused = ends(up)
    assert refused.returncode == FAILED
    assert f"{store}: cannot be opened as a DuckDB file" in refused.stderr


def test_a_port_that_is_in_use_is_said_once(tmp_path: Path) -> None:
    up = Up(tmp_path)
    host, _, port = up.environment["SPANLOOM_CONSOLE"].partition(":")
    with socket.create_server((host, int(port))):
        done = ends(up)
    assert done.returncode == REFUSED
    assert f"cannot listen on {host}:{port}" in done.stderr
    assert "restarting" not in done.stderr


@pytest.mark.parametrize("process", ["up", "control", "worker"])
def test_a_folder_that_cannot_be_had_is_said_once(tmp_path: Path, process: str) -> None:
    (tmp_path / "file").touch()
    for folder, reason in ((tmp_path / "file", "is no folder"), (tmp_path / "file" / "below", "this folder cannot be made")):
        up = Up(tmp_path, SPANLOOM_DATA_DIR=str(folder))
        if process == "worker":
            up.environment |= {"SPANLOOM_LOG": "kafka://127.0.0.1:9", "SPANLOOM_STORE": "http://127.0.0.1:9"}
        done = ends(up, process)
        assert done.returncode == REFUSED, done.stderr
        assert f"spanloom: {folder}: {reason}" in done.stderr
        assert "restarting" not in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("process", ["console", "control"])
def test_a_port_of_a_role_that_is_in_use_is_said_once(tmp_path: Path, process: str) -> None:
    up = Up(tmp_path)
    if process == "console":
        up.environment["SPANLOOM_STORE"] = "http://127.0.0.1:9"
    host, _, port = up.environment["SPANLOOM_CONSOLE"].partition(":")
    with socket.create_server((host, int(port))):
        done = ends(up, process)
    assert done.returncode == REFUSED, done.stderr
    assert f"cannot listen on {host}:{port}" in done.stderr
    assert "restarting" not in done.stderr
    assert "Traceback" not in done.stderr
