"""A disk without room, and with room again."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.attack.line import Line, must
from tests.attack.telemetry import spans

if TYPE_CHECKING:
    from tests.attack.bench import Bench
    from tests.attack.target import Product

SIZE_MIB = 160
MOUNT = f'mkdir -p "$SPANLOOM_DATA_DIR" && mount -t tmpfs -o size={SIZE_MIB}m tmpfs "$SPANLOOM_DATA_DIR" && exec "$@"'
SMALL_DISK = ("unshare", "--map-root-user", "--mount", "sh", "-c", MOUNT, "sh")
"""Runs a command whose data folder is a disk of its own, in memory, without a right of ours over the machine's disks."""
BATCH = 200
REFUSED = 20
"""Exports that must be refused while there is no room."""


def a_full_disk_ends_nothing_and_loses_nothing_that_was_acknowledged(bench: Bench) -> str:
    """A data folder without a byte left while telemetry goes on; then room again."""
    tried = subprocess.run(
        [*SMALL_DISK, "true"], env={"SPANLOOM_DATA_DIR": str(bench.folder())}, capture_output=True, check=False
    )
    if tried.returncode:
        pytest.skip(f"NO SMALL DISK: {tried.stderr.decode(errors='replace').strip()}")
    own = bench.product(within=SMALL_DISK)
    own.start()
    own.wait_ready()
    pid = own.pid
    own.data = Path(f"/proc/{pid}/root{own.data}")
    acknowledged = _send(own, 5)
    filler = own.data / "filler"
    _fill(filler)
    refused = 0
    for _ in range(400):
        answer = own.export(spans("full", BATCH))
        acknowledged += BATCH * (answer.status == 200)
        refused += answer.status != 200
        must(answer.status in {200, 503}, f"an export was answered {answer.status} {answer.text[:100]}")
        must(answer.status == 200 or "retry-after" in answer.headers, "refused without a Retry-After")
        _fill(filler)
        if refused >= REFUSED:
            break
    must(refused >= REFUSED, f"only {refused} were refused: is there no end to the disk?")
    must(own.get("/healthz").status == 200, "not alive while the disk is full")
    must(own.pid == pid, f"the process was ended: {own.log[-500:]}")
    filler.unlink()
    acknowledged += _send(own, 5)
    own.wait_for(lambda: own.status()["spans_stored"] >= acknowledged, 120, f"not all of {acknowledged} acknowledged stored")
    must(own.pid == pid, f"the process was ended: {own.log[-500:]}")
    own.wait_for(lambda: own.get("/readyz").status == 200, 60, "not ready again")
    own.stop()
    return f"{refused} refused with Retry-After; all {acknowledged} acknowledged spans stored"


def _send(own: Product, count: int) -> int:
    for _ in range(count):
        own.wait_for(lambda: own.export(spans("room", BATCH)).status == 200, 60, "not accepted though there is room")
    return count * BATCH


def _fill(filler: Path) -> None:
    """Leave no room."""
    with filler.open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            try:
                while True:
                    file.write(os.urandom(1) * size)
            except OSError:
                continue


LINES = (Line("disk", a_full_disk_ends_nothing_and_loses_nothing_that_was_acknowledged),)
