"""Writes a file to `otlp_spans` as a collector would: python -m tests.interop.produce FILE, settings in the environment."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from spanloom.config import load_config
from spanloom.wiring import Log


async def produce(value: bytes) -> None:
    """Return when it is on the log."""
    async with Log(load_config()) as log:
        await log.produce("otlp_spans", value, {"a": b"header"})


if __name__ == "__main__":
    asyncio.run(produce(Path(sys.argv[1]).read_bytes()))
