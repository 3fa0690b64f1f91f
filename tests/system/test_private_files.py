"""What `spanloom up` writes is its owner's alone, also with a permissive umask, and what was open before is closed."""

from __future__ import annotations

import asyncio
import os
import stat
from typing import TYPE_CHECKING

import httpx2
import pytest

from tests.system.processes import Up
from tests.system.test_trust import a_trace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.timeout(200)]


@pytest.fixture
def permissive() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("permissive")
async def test_data_log_state_and_keys_are_of_their_owner_alone(tmp_path: Path) -> None:
    up = Up(tmp_path)
    data = tmp_path / "data"
    (data / "log").mkdir(parents=True)  # as an earlier release left them
    (data / "log" / "lock").write_bytes(b"")
    up.start()
    try:
        await asyncio.to_thread(up.wait_ready)
        async with httpx2.AsyncClient(timeout=30, trust_env=False) as client:
            headers = {"Content-Type": "application/x-protobuf"}
            await client.post(f"{up.otlp}/v1/traces", content=a_trace(), headers=headers)
        open_to_others = [
            f"{path.relative_to(tmp_path)} {oct(stat.S_IMODE(path.lstat().st_mode))}"
            for path in (data, *data.rglob("*"))
            if path.lstat().st_mode & 0o077 and path != data / "log" / "lock"
        ]
    finally:
        await asyncio.to_thread(up.stop)
    assert open_to_others == []
    assert {"log", "state", "spanloom.duckdb", "approval.key", "token"} <= {path.name for path in data.iterdir()}
