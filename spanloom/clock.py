"""The one place that asks for the time."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Gives the time. Tests pass one that they move by hand."""

    def now(self) -> int:
        """Nanoseconds since the epoch."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """Nanoseconds since the epoch."""
        return time.time_ns()
