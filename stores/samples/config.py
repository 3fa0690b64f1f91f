"""Configuration of the store of samples."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from stores.samples.levels import DAY, Level
from stores.samples.store import SampleLimits


class SamplesConfig(BaseModel):
    """What is kept of the samples that rules and PromQL queries read. Days of event time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    raw_days: float = Field(default=2.0, ge=0.25, description="samples as they came")
    five_second_days: float = Field(default=2.0, gt=0, description="rollups of 5 s")
    minute_days: float = Field(default=15.0, gt=0, description="rollups of 1 min")
    hour_days: float = Field(default=400.0, gt=0, description="rollups of 1 h; rules and queries can read back so far")
    series: int = Field(default=200_000, gt=0, description="series in all; samples of others are refused and counted")
    series_per_environment: int = Field(default=50_000, gt=0, description="series of one environment")
    series_per_sender: int = Field(
        default=25_000, gt=0, description="series of one sender in an environment: the service that they come from"
    )
    flush_seconds: float = Field(default=10.0, gt=0, le=60, description="samples are written together once in so many seconds")

    def limits(self) -> SampleLimits:
        """As the store takes them."""
        days = {
            Level.RAW: self.raw_days,
            Level.SECONDS: self.five_second_days,
            Level.MINUTE: self.minute_days,
            Level.HOUR: self.hour_days,
        }
        kept = {level: int(each * DAY) for level, each in days.items()}
        return SampleLimits(self.series, self.series_per_environment, self.series_per_sender, kept)
