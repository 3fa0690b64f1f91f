"""Bodies that are on their way: how many bytes of them there may be, and whose go when there are too many.

A body that is not there yet has no share of the memory for requests: else slow senders would keep honest ones out by holding
places. What was read of it counts here, in total and by address, and where room is needed the slowest body makes it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from collectors.errors import TooSlowError
from components.sockets.connections import address_key
from telemetry.errors import OverloadedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Body:
    """One body that is being read."""

    def __init__(self, reading: Reading, address: str, started: float, deadline: asyncio.Timeout | None = None) -> None:
        self._reading = reading
        self.address = address
        self.started = started
        self.deadline = deadline
        self.size = 0
        self.evicted = False

    def grow(self, size: int) -> None:
        """So many bytes more came.

        Raises:
            OverloadedError: there is no room for them, and no slower body that could make it.
        """
        self._reading.grow(self, size)


class Reading:
    """The bodies of one transport.

    Args:
        max_bytes: of all of them.
        max_bytes_per_address: of those from one address.
        retry_after: what a refused sender is asked to wait, in seconds.
    """

    def __init__(self, max_bytes: int, max_bytes_per_address: int, retry_after: float) -> None:
        self._max_bytes = max_bytes
        self._max_per_address = min(max_bytes_per_address, max_bytes)
        self._retry_after = retry_after
        self._bodies: set[Body] = set()  # bounded by the connections
        self._by_address: Counter[str] = Counter()
        self.in_flight_bytes = 0
        self.evicted = 0

    @asynccontextmanager
    async def body(self, host: str, seconds: float) -> AsyncIterator[Body]:
        """A body, while it is read.

        Raises:
            TooSlowError: it was not there in time.
            OverloadedError: it was the slowest when others needed room.
        """
        loop = asyncio.get_running_loop()
        body = Body(self, address_key(host), loop.time())
        try:
            async with asyncio.timeout(seconds) as body.deadline:
                self._bodies.add(body)
                try:
                    yield body
                finally:
                    self._remove(body)
        except TimeoutError as error:
            if body.evicted:
                raise OverloadedError("request bodies: this was the slowest when room was needed", self._retry_after) from error
            raise TooSlowError(f"the body was not there after {seconds} s") from error

    def grow(self, body: Body, size: int) -> None:
        """More of a body came; `Body.grow` is how it says so."""
        if body.evicted:
            return
        if self._by_address[body.address] + size > self._max_per_address:
            self._make_room(body, size, body.address)
        if self.in_flight_bytes + size > self._max_bytes:
            self._make_room(body, size, None)
        body.size += size
        self.in_flight_bytes += size
        self._by_address[body.address] += size

    def _make_room(self, body: Body, size: int, address: str | None) -> None:
        """Give up the slowest bodies until there is room for `size` bytes more, but none as fast as `body`."""
        now = asyncio.get_running_loop().time()

        def rate(one: Body) -> float:
            return one.size / max(now - one.started, 0.001)

        slower = sorted(
            (one for one in self._bodies if one is not body and one.size and address in {None, one.address}), key=rate
        )
        wanted = size + (
            self._by_address[address] - self._max_per_address if address else self.in_flight_bytes - self._max_bytes
        )
        mine = (body.size + size) / max(now - body.started, 0.001)
        for victim in slower:
            if wanted <= 0 or rate(victim) >= mine:
                break
            wanted -= victim.size
            victim.evicted = True
            self.evicted += 1
            self._remove(victim)
            if victim.deadline is not None:
                victim.deadline.reschedule(now)
        if wanted > 0:
            what = (
                f"{self._max_per_address} bytes at a time from one address" if address else f"{self._max_bytes} bytes at a time"
            )
            raise OverloadedError(f"request bodies on their way: {what} is the limit", self._retry_after)

    def _remove(self, body: Body) -> None:
        if body in self._bodies:
            self._bodies.remove(body)
            self.in_flight_bytes -= body.size
            self._by_address[body.address] -= body.size
            if not self._by_address[body.address]:
                del self._by_address[body.address]
