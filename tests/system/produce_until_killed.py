"""Appends to three partitions as fast as it is confirmed, and says each confirmation on standard output. Run by a test."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import structlog

from durable_log.log import DurableLog
from durable_log.partition import TopicSettings

IN_FLIGHT = 64


async def produce(directory: Path, run: str) -> None:
    log = DurableLog(directory, time.time_ns)  # noqa: TID251 - a process of its own
    log.create_topic("t", TopicSettings(3, segment_bytes=200_000))

    async def lane(number: int) -> None:
        partition = number % 3
        for sequence in range(1_000_000):
            identity = f"{run}-{number}-{sequence}"
            offset = await log.append("t", partition, identity.encode(), os.urandom(500 + 37 * number))
            os.write(sys.stdout.fileno(), f"{partition} {offset} {identity}\n".encode())  # one write: whole lines only

    await asyncio.gather(*[lane(number) for number in range(IN_FLIGHT)])


structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # standard output is for confirmations
asyncio.run(produce(Path(sys.argv[1]), sys.argv[2]))
