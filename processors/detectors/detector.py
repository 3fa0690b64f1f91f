"""What a detector is: what it consumes, when it is asked, and what it keeps."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, create_model

from components.component import Component

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from processors.call_graph.visits import Visit
    from processors.detectors.log_windows import LogWindows
    from telemetry.findings import Anomaly
    from telemetry.json_object import JsonObject

ALARM = 0.8
"""Score from which a value is an anomaly: 14 nats, once in a million values."""


class Source(Enum):
    """What detectors consume. Each item is one that they can judge by itself."""

    POINTS = auto()  # telemetry.metrics.Point: of ingested metrics, and of edges and operations
    EDGE_WINDOWS = auto()  # Sequence[telemetry.call_graph.Edge]: all edges of one window, of every partition
    TRACES = auto()  # WholeTrace
    LOG_WINDOWS = auto()  # processors.detectors.log_windows.LogWindow


class WholeTrace(NamedTuple):
    """A trace of which no part is missing."""

    trace_id: bytes
    visits: Sequence[Visit]


class DetectorConfig(BaseModel):
    """What every detector can be configured with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = Field(default=True, description="Whether it looks for anomalies at all.")
    min_score: float = Field(default=ALARM, gt=0, le=1, description="Score from which something is an anomaly.")


Item_contra = TypeVar("Item_contra", contravariant=True)


class Detector(Protocol[Item_contra]):
    """Learns what is usual and returns what is not. One for each partition; asked by one thread.

    Attributes:
        source: what it consumes.
        saved_as: under which name its snapshots are kept; it must never change.
        explains: whether its anomalies say why in words; else their values are put into words, see `describe`.
    """

    source: ClassVar[Source]
    saved_as: ClassVar[str]
    explains: ClassVar[bool] = True

    def consume(self, items: Sequence[Item_contra], now: int) -> list[Anomaly]:
        """Judge and learn.

        Args:
            items: of its source.
            now: wall clock, nanoseconds; what is later was written by a wrong clock.
        """
        ...

    def advance(self, time: int) -> list[Anomaly]:
        """Judge what waited for this time: the event time up to which its source is complete, nanoseconds."""
        del time
        return []

    def close(self) -> list[Anomaly]:
        """Judge all that waits: the input has ended."""
        return []

    def snapshot(self) -> JsonObject:
        """Plain data with a `version`, which `restore` takes."""
        ...

    def restore(self, snapshot: JsonObject) -> None:
        """Take the state of a snapshot instead of the present one.

        Raises:
            InputError: the snapshot has another version.
        """
        ...

    def dropped(self) -> Mapping[str, int]:
        """What bounds and lateness have cost, by what it was."""
        return {}


AnyDetector = Detector[Any]


@dataclass(frozen=True, slots=True)
class DetectorContext:
    """What the detectors of a partition share: the windows of its log lines, with the templates of their texts."""

    log_windows: LogWindows


DetectorComponent = Component[DetectorContext, AnyDetector]
"""Its config is a `DetectorConfig`."""


class ScoreConfig(BaseModel):
    """The detectors: which of them look for anomalies, and from where on something is one."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def score_config(components: Iterable[DetectorComponent]) -> type[ScoreConfig]:
    """The model of the section `score`: one for each detector."""
    sections: JsonObject = {one.name: (one.config, one.config()) for one in components}
    return create_model("ScoreConfig", __base__=ScoreConfig, __doc__=ScoreConfig.__doc__, **sections)


def build_detectors(components: Iterable[DetectorComponent], config: ScoreConfig, lines: LogWindows) -> list[AnyDetector]:
    """Those that are enabled, for one partition."""
    configured = [(one, getattr(config, one.name)) for one in components]
    return [one.build(settings, DetectorContext(lines)) for one, settings in configured if settings.enabled]
