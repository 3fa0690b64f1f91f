"""What ends a start for good: said in one line, with exit code 1, and not tried five times."""

from __future__ import annotations

import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from spanloom.exit_codes import FAILED
from tests.system.processes import Up

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


def ends(up: Up) -> subprocess.CompletedProcess[str]:
    """A start that is expected to end by itself."""
    command = [sys.executable, "-m", "spanloom.cli", "up"]
    return subprocess.run(command, env=up.environment, capture_output=True, text=True, timeout=120, check=False)


def test_a_second_up_on_a_folder_ends_at_once_and_leaves_the_first_alone(tmp_path: Path) -> None:
    first = Up(tmp_path)
    first.start()
    try:
        first.wait_ready()
        second = ends(Up(tmp_path))
        assert second.returncode == FAILED
        assert "runs on this folder already, as process" in second.stderr
        assert "restarting" not in second.stderr
        assert first.status()["spans_received"] == 0
    finally:
        first.stop()


def test_a_port_that_is_in_use_is_said_once(tmp_path: Path) -> None:
    up = Up(tmp_path)
    host, _, port = up.environment["SPANLOOM_CONSOLE"].partition(":")
    with socket.create_server((host, int(port))):
        done = ends(up)
    assert done.returncode == FAILED
    assert f"cannot listen on {host}:{port}" in done.stderr
    assert "restarting" not in done.stderr
