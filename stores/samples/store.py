"""The interface of the store of samples.

A series is known by a number that follows from its environment and labels, a sample by its series and time: writing it twice
changes nothing, and of two values the first stays. A delta is known by a number of its own beside these and adds to the
sample of that time. Rollups are made of the samples alone, so that they are exact after any order, repetition or correction.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from stores.samples.levels import DAY, Level, Times
from stores.store import QuestionRefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stores.samples.refusals import Refusals

Labels = tuple[tuple[str, str], ...]
"""Pairs sorted by name; the metric's name is `__name__`."""

Ids = NDArray[np.int64]
Values = NDArray[np.float64]

MAX_ROWS = 4_000_000
"""Most samples or buckets of one answer: 100 to 400 MB while it is read."""


class TooManySamplesError(QuestionRefusedError):
    """An answer would have more than MAX_ROWS rows."""

    def __init__(self, rows: int) -> None:
        super().__init__(f"the answer has {rows:,} samples or buckets; at most {MAX_ROWS:,}: name less time or fewer series")


@dataclass(frozen=True, slots=True)
class SampleLimits:
    """Bounds of the store, and how long each level is kept (ns)."""

    series: int = 200_000
    series_per_environment: int = 50_000
    series_per_sender: int = 25_000
    kept: Mapping[Level, int] = field(
        default_factory=lambda: {Level.RAW: 2 * DAY, Level.SECONDS: 2 * DAY, Level.MINUTE: 15 * DAY, Level.HOUR: 400 * DAY}
    )


@dataclass(frozen=True, slots=True)
class SampleBatch:
    """Samples of one environment: three columns of one length, and the labels of their series.

    `deltas` has the number of each delta, 0 for a sample; None where all are samples. `newest` is the time of the telemetry.
    """

    environment: str
    series: Mapping[int, Labels]
    ids: Ids
    times: Times
    values: Values
    newest: int
    deltas: Ids | None = None


@dataclass(slots=True)
class SampleCounters:
    """What became of samples, since the start."""

    written: int = 0
    existing: int = 0
    refused: int = 0  # of series beyond the bounds
    too_old: int = 0  # older than raw samples are kept
    series_refused: int = 0
    rolled_up: int = 0  # buckets


@dataclass(frozen=True, slots=True)
class SampleColumns:
    """Samples in order of series and time. A stale marker is the value `STALE`."""

    ids: Ids
    times: Times
    values: Values


@dataclass(frozen=True, slots=True)
class RollupColumns:
    """Buckets in order of series and end; stale markers count nowhere.

    Attributes:
        sum: of the values; `least` and `most` of them are NaN only where all are.
        lost: sum of the values before each reset within the bucket: the increase is `last - first + lost`.
        resets: how often a value was below the one before it, within the bucket.
        changes: how often it was another.
    """

    ids: Ids
    ends: Times
    count: Values
    sum: Values
    least: Values
    most: Values
    first: Values
    first_time: Times
    last: Values
    last_time: Times
    lost: Values
    resets: Values
    changes: Values


@dataclass(frozen=True, slots=True)
class KnownSeries:
    """A series of the store."""

    id: int
    environment: str
    labels: Labels


class SampleStore(Protocol):
    """Keeps samples. All calls may be made concurrently."""

    limits: SampleLimits
    refusals: Refusals
    """Senders of which series were refused."""

    async def write(self, batches: Sequence[SampleBatch]) -> None:
        """Keep what is not there yet, all of it or nothing, and roll up the buckets that ended. Durable on return.

        Raises:
            StoreError: not now; writing the same again is safe.
        """
        ...

    async def series(self, environment: str | None) -> list[KnownSeries]:
        """All series of an environment, or of all."""
        ...

    async def samples(self, ids: Ids, since: int, until: int) -> SampleColumns:
        """Samples of these series with `since < time <= until`, ns.

        Raises:
            TooManySamplesError: more than MAX_ROWS.
        """
        ...

    async def rollups(self, ids: Ids, level: Level, since: int, until: int) -> RollupColumns:
        """Buckets of these series with `since < end <= until`, ns, as far as they are rolled up.

        Raises:
            TooManySamplesError: more than MAX_ROWS.
        """
        ...

    async def rolled_until(self, environment: str, level: Level) -> int:
        """The end of the last bucket up to which all are rolled up, ns; 0 before any."""
        ...

    async def retain(self, now: int) -> int:
        """Delete what is older than its level is kept; how many rows went."""
        ...

    def counters(self) -> SampleCounters:
        """What became of samples."""
        ...

    async def close(self) -> None:
        """Flush and let go. Safe twice."""
        ...


def series_id(environment: str, labels: Labels) -> int:
    """The number of a series: 64 bits of a digest, signed. The same on every worker and after every start."""
    digest = hashlib.blake2b(digest_size=8)
    for text in (environment, *(part for pair in labels for part in pair)):
        encoded = text.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(4, "little"))
        digest.update(encoded)
    return int.from_bytes(digest.digest(), "little", signed=True)


def delta_number(of: str) -> int:
    """The number of a delta that follows from a text, such as the id of a document; never 0."""
    return (
        int.from_bytes(hashlib.blake2b(of.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little", signed=True) or 1
    )
