"""How long traces and windows stay open, and how much of them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class AssembleConfig(BaseModel):
    """When traces close and windows are sealed. Durations in seconds of event time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    quiet: float = Field(default=5.0, gt=0, description="inactivity gap after which a trace closes")
    max_open: float = Field(default=300.0, gt=0, description="a trace closes after so long at the latest")
    window: float = Field(default=5.0, gt=0, description="width of an edge window")
    lateness: float = Field(default=7.0, ge=0, description="how long after its end a window is sealed")
    max_traces: int = Field(default=100_000, gt=0, description="open traces of a partition; past it the oldest is closed")
    max_signals: int = Field(
        default=500_000, gt=0, description="telemetry items in memory of a partition; past it the oldest trace is closed"
    )
    max_records: int = Field(
        default=100_000, gt=0, description="records in flight of a worker; past it everything is closed early"
    )
    max_bytes: int = Field(
        default=256 << 20,
        gt=0,
        description="memory that open traces, open windows and records in flight of a worker use; past it the oldest traces "
        "are closed, then everything",
    )
    max_metric_samples: int = Field(
        default=50_000,
        gt=0,
        description="samples of rates and durations of spans and calls, about 230 bytes of /metrics each; what is beyond is "
        "counted together, as otel.metric.overflow",
    )
    idle: float = Field(
        default=2.0, gt=0, description="idle timeout: without records for so many seconds the watermark follows the clock"
    )
