"""`python -m demo.load FOLDER`: users for the shop that runs in FOLDER, until stdin ends.

Prints nothing unless asked: each line on stdin is answered by a JSON line, the report so far.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import threading
from pathlib import Path

from demo.load.generator import Load
from demo.shop.directory import Directory


async def generate(folder: Path, rate: float, seed: int) -> None:
    """Send users until stdin ends."""
    chance = random.Random(seed)  # noqa: S311  # traffic that repeats, not secrets
    load = Load(Directory(folder / "addresses.json"), rate, chance)
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def answer() -> None:
        print(json.dumps(load.report()), flush=True)  # noqa: T201  # it was asked for

    def read() -> None:
        for _ in sys.stdin:
            loop.call_soon_threadsafe(answer)
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=read, daemon=True).start()
    running = asyncio.create_task(load.run())
    waiting = asyncio.create_task(ended.wait())
    await asyncio.wait((running, waiting), return_when=asyncio.FIRST_COMPLETED)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def main() -> None:
    """Read the command line and send users."""
    parser = argparse.ArgumentParser(prog="python -m demo.load", description="Sends users to the demo shop.")
    parser.add_argument("folder", type=Path, help="of the shop, with its addresses.json")
    parser.add_argument("--rate", type=float, default=6.0, help="users a second, each about two requests (default: 6)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same users (default: 1)")
    asked = parser.parse_args()
    asyncio.run(generate(asked.folder, asked.rate, asked.seed))


main()
