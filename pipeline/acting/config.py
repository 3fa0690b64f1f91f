"""When culprits are ranked, and what the stage that ranks them counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field

from alerting.prometheus_api.backtests import BacktestCounts
from processors.detectors.detector import ALARM


class ActConfig(BaseModel):
    """When culprits are ranked, and how far back rules may look after a restart. Seconds of event time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rank_score: float = Field(
        default=ALARM, ge=0, le=1, description="anomalies of latency or errors from this score on are ranked"
    )
    rank_every: float = Field(default=10.0, gt=0, description="a ranking is renewed no more often than this")
    look_back: float = Field(
        default=300.0, ge=0, description="how long records stay in flight at least; longer where a rule has a longer lookback"
    )
    max_environments: int = Field(
        default=50,
        ge=1,
        description="environments beside the default one that are decided by themselves; what comes beyond shares `other`",
    )
    idle: float = Field(
        default=2.0, gt=0, description="idle timeout: without records for so many seconds the watermark follows the clock"
    )


@dataclass(slots=True)
class ActCounts:
    """What the stage did."""

    rankings: int = 0
    explained: int = 0  # rankings whose likeliest culprit suffers from a service under repair
    answers_dropped: int = 0  # past MOST_ANSWERS
    anomalies_dropped: int = 0  # past MOST_ANOMALIES: no playbook was asked
    environments_beyond: int = 0  # records' parts of environments that share `other`
    points_too_new: int = 0  # further ahead of the clock than AHEAD


@dataclass(slots=True)
class AlertingCounts:
    """What was done in all environments, since the start."""

    alert_changes: int = 0
    rule_seconds: float = 0.0  # that evaluations of rules took
    notifications: int = 0
    marks: Counter[str] = field(default_factory=Counter)  # by verdict
    backtests: BacktestCounts = field(default_factory=BacktestCounts)
    files_refused: int = 0
