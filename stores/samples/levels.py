"""Levels of resolution: raw samples, and rollups of 5 s, 1 min and 1 h.

A bucket excludes its beginning and holds its end, as ranges of PromQL do, and is named by its end.
"""

from __future__ import annotations

from enum import Enum

import numpy as np
from numpy.typing import NDArray

from components.durations import HOUR, MINUTE, SECOND

Times = NDArray[np.int64]

DAY = 24 * HOUR


class Level(Enum):
    """Resolution: the value is the width of a bucket in nanoseconds, 0 for raw samples."""

    RAW = 0
    SECONDS = 5 * SECOND
    MINUTE = MINUTE
    HOUR = HOUR

    @property
    def width(self) -> int:
        """Width of a bucket, ns; 0 for raw samples."""
        return self.value

    @property
    def title(self) -> str:
        """As it is shown to users."""
        return {Level.RAW: "raw", Level.SECONDS: "5s", Level.MINUTE: "1m", Level.HOUR: "1h"}[self]

    @property
    def grace(self) -> int:
        """How long after its end a bucket is rolled up, ns: what comes later rolls it up once more."""
        return min(self.value, MINUTE)

    def end_of(self, time: int) -> int:
        """The end of the bucket that holds a time."""
        return -(-time // self.value) * self.value if self.value else time


ROLLUPS = (Level.SECONDS, Level.MINUTE, Level.HOUR)
"""Levels that are made of raw samples, finest first."""


def ends_of(times: Times, level: Level) -> Times:
    """The ends of the buckets that hold these times."""
    ends: Times = -(-times // level.value) * level.value
    return ends
