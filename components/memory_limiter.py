"""A bound on how much may be held at a time."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from telemetry.errors import OverloadedError

if TYPE_CHECKING:
    from collections.abc import Iterator


class BytesShare:
    """What one request has acquired of a budget."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.size = 0

    def acquire(self, size: int) -> None:
        """Take `size` bytes more.

        Raises:
            OverloadedError: they are not there; nothing is acquired.
        """
        self._budget.acquire(size)
        self.size += size

    def hold(self, size: int) -> None:
        """Have `size` bytes in all, whatever it was before.

        Raises:
            OverloadedError: that is more, and it is not there; nothing changes.
        """
        self.acquire(size - self.size)


class Budget:
    """So many bytes for so many holders.

    Args:
        what: what is bounded, for the message of the error.
        max_bytes: how much all holders have together.
        max_requests: how many they may be.
        retry_after: seconds after which a rejected request may be tried again.
    """

    def __init__(self, what: str, max_bytes: int, max_requests: int, retry_after: float) -> None:
        self._what = what
        self._max_bytes = max_bytes
        self._max_requests = max_requests
        self._retry_after = retry_after
        self.in_flight_bytes = 0
        self.requests = 0

    @property
    def is_full(self) -> bool:
        """Whether nothing more is given."""
        return self.requests >= self._max_requests or self.in_flight_bytes >= self._max_bytes

    @contextmanager
    def share(self) -> Iterator[BytesShare]:
        """A share that starts empty and is given back at the end.

        Raises:
            OverloadedError: there are too many holders.
        """
        if self.requests >= self._max_requests:
            raise OverloadedError(f"{self._what}: {self._max_requests} requests at a time is the limit", self._retry_after)
        self.requests += 1
        share = BytesShare(self)
        try:
            yield share
        finally:
            self.requests -= 1
            self.in_flight_bytes -= share.size

    def acquire(self, size: int) -> None:
        """Take bytes, or give back as many where there are less than none; `BytesShare.take` is how a holder does."""
        if size > 0 and self.in_flight_bytes + size > self._max_bytes:
            raise OverloadedError(f"{self._what}: {self._max_bytes} bytes at a time is the limit", self._retry_after)
        self.in_flight_bytes += size
