"""What the pipeline concludes: anomalies and culprits."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from telemetry.environment import DEFAULT_ENVIRONMENT

if TYPE_CHECKING:
    from telemetry.metrics import Series


class AnomalyKind(StrEnum):
    """What deviates."""

    LATENCY = "latency"
    ERRORS = "errors"
    THROUGHPUT = "throughput"
    METRIC = "metric"
    LOG = "log"
    SHAPE = "shape"
    TRACE = "trace"


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One deviation: what, where, when, how much, and why in words."""

    kind: AnomalyKind
    series: Series
    service: str
    start: int  # window, nanoseconds
    end: int
    score: float  # 0..1
    expected: float
    seen: float
    unit: str
    why: str
    operation: str = ""
    instance: str = ""
    environment: str = DEFAULT_ENVIRONMENT
    trace_ids: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """One reason for a rank: which signal shows it, how strongly, and where to look."""

    signal: str  # "trace", "log" or "metric"
    weight: float
    text: str
    trace_ids: tuple[bytes, ...] = ()
    series: str = ""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A service (or one instance of it) and how likely it is the cause: the higher the score the likelier."""

    service: str
    score: float
    instance: str = ""
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class CulpritRanking:
    """A ranking at a time, best first."""

    time: int
    environment: str
    opened_by: str  # id of the anomaly that asked
    ranking: tuple[Suspect, ...] = field(default=())
