"""`GET /api/v1/freshness`: the time of the newest stored document of each signal."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from dashboards.read_models.reader import within
from stores.store import Aggregation, Query
from telemetry.documents import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stores.store import Reads

SIGNALS: Mapping[str, Kind] = {
    "spans": Kind.SPAN,
    "logs": Kind.LOG,
    "metrics": Kind.METRIC,
    "traces": Kind.TRACE,
    "edges": Kind.EDGE,
    "anomalies": Kind.ANOMALY,
    "alerts": Kind.ALERT,
    "incidents": Kind.INCIDENT,
}

TELEMETRY = ("spans", "logs", "metrics")


class AskedFreshness(BaseModel):
    """Of which environment."""

    model_config = ConfigDict(extra="forbid")

    environment: str = Field(default="", max_length=1024, description="empty: all")


class Signal(BaseModel):
    """The newest document of a signal, by its time."""

    signal: str
    newest: int | None = Field(description="nanoseconds since the epoch, to the millisecond; null: nothing is stored")
    age: int | None = Field(description="nanoseconds before `now`; negative where a sender's clock is ahead")


class Freshness(BaseModel):
    """The answer."""

    now: int
    newest: int | None = Field(description="of spans, logs and metrics; null: nothing is stored")
    signals: list[Signal]


async def freshness(reads: Reads, environment: str, now: int) -> Freshness:
    """How new the data of an environment, or of all, is.

    Raises:
        StoreError: the store does not answer.
    """
    found = await asyncio.gather(*(newest(reads, kind, environment) for kind in SIGNALS.values()))
    times = dict(zip(SIGNALS, found, strict=True))
    return Freshness(
        now=now,
        newest=max((time for signal in TELEMETRY if (time := times[signal]) is not None), default=None),
        signals=[
            Signal(signal=signal, newest=time, age=None if time is None else now - time) for signal, time in times.items()
        ],
    )


async def newest(reads: Reads, kind: Kind, environment: str) -> int | None:
    """The time of the newest document of a kind. Raises as above."""
    found = await reads.totals(Aggregation(Query(kind, within(environment))))
    return max((group.newest for group in found), default=None)
