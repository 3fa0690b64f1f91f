"""An open-loop generator: users arrive as a Poisson process, whether or not the shop keeps up.

A closed loop would send less just when the shop is slow, and so hide its slowness (coordinated omission).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, Any

import httpx2

from demo.load.journeys import JOURNEYS
from demo.shop.directory import NoInstanceError

if TYPE_CHECKING:
    import random

    from demo.shop.directory import Directory

TIMEOUT_SECONDS = 10.0
USERS_AT_ONCE = 200
"""Past this many active users, arrivals are turned away and counted."""
LATENCIES_KEPT = 10_000


class Load:
    """Sends users to the frontend.

    Args:
        directory: where the frontend is.
        rate: users a second, on average; a user makes about two requests.
        chance: decides when users come and what they do.
    """

    def __init__(self, directory: Directory, rate: float, chance: random.Random) -> None:
        self._directory = directory
        self._rate = rate
        self._chance = chance
        self._in_flight: set[asyncio.Task[None]] = set()
        self._latencies: deque[float] = deque(maxlen=LATENCIES_KEPT)
        self._counts = {"sent": 0, "failed": 0, "turned_away": 0}

    async def run(self) -> None:
        """Send users until cancelled; those under way are then given up."""
        loop = asyncio.get_running_loop()
        async with httpx2.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
            arrival, number = loop.time(), 0
            try:
                while True:
                    arrival += self._chance.expovariate(self._rate)
                    await asyncio.sleep(arrival - loop.time())
                    number += 1
                    if len(self._in_flight) >= USERS_AT_ONCE:
                        self._counts["turned_away"] += 1
                        continue
                    task = asyncio.create_task(self._one_user(client, f"user-{number}"))
                    self._in_flight.add(task)
                    task.add_done_callback(self._in_flight.discard)
            finally:
                for task in self._in_flight:
                    task.cancel()
                await asyncio.gather(*self._in_flight, return_exceptions=True)

    def report(self) -> dict[str, Any]:
        """Requests since the start, and the latency quantiles of those answered since the last report, in milliseconds."""
        latencies = sorted(self._latencies)
        self._latencies.clear()
        quantiles = {
            f"p{round(share * 100)}": round(1000 * latencies[int(share * (len(latencies) - 1))], 1) if latencies else None
            for share in (0.5, 0.95, 0.99)
        }
        return self._counts | {"answered": len(latencies), "latency_ms": quantiles}

    async def _one_user(self, client: httpx2.AsyncClient, user: str) -> None:
        journey = self._chance.choices([way for way, _ in JOURNEYS], [share for _, share in JOURNEYS])[0]

        async def ask(method: str, path: str, body: object) -> bool:
            began = time.monotonic()
            self._counts["sent"] += 1
            try:
                url = f"http://{self._directory.address('frontend')}{path}"
                succeeded = (await client.request(method, url, json=body)).is_success
            except (httpx2.HTTPError, NoInstanceError):
                succeeded = False
            self._counts["failed"] += not succeeded
            self._latencies.append(time.monotonic() - began)
            return succeeded

        await journey(ask, user, self._chance)
