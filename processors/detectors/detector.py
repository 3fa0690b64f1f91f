"""What a detector is: what it consumes, when it is asked, and what it keeps."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, create_model

from components.component import Component

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

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
        min_score: from which it finds something anomalous, as configured.
    """

    source: ClassVar[Source]
    saved_as: ClassVar[str]
    explains: ClassVar[bool] = True
    min_score: float = ALARM

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

Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)


class Pending(Protocol[Result_co]):
    """Work that may still be under way, as futures are."""

    def done(self) -> bool:
        """Whether there is a result, or an error."""
        ...

    def result(self) -> Result_co:
        """What the work returned, after waiting for it; raises what it raised."""
        ...


class Background(Protocol):
    """Runs what takes long beside what must not wait for it, such as in a thread."""

    def __call__(self, work: Callable[[], Result], /) -> Pending[Result]:
        """Begin a pure function."""
        ...


class Done(NamedTuple, Generic[Result]):
    """Work that is done."""

    value: Result

    def done(self) -> bool:
        """It is."""
        return True

    def result(self) -> Result:
        """What it returned."""
        return self.value


def at_once(work: Callable[[], Result], /) -> Pending[Result]:
    """The background of who can wait: nothing is left to be done afterwards."""
    return Done(work())


@dataclass(frozen=True, slots=True)
class DetectorContext:
    """What the detectors of a partition share.

    Attributes:
        log_windows: the windows of its log lines, with the templates of their texts.
        background: where models are fitted.
    """

    log_windows: LogWindows
    background: Background = at_once


DetectorComponent = Component[DetectorContext, AnyDetector]
"""Its config is a `DetectorConfig`."""


class ScoreConfig(BaseModel):
    """The detectors: which of them look for anomalies, and from where on something is one."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def score_config(components: Iterable[DetectorComponent]) -> type[ScoreConfig]:
    """The model of the section `score`: one for each detector."""
    sections: JsonObject = {one.name: (one.config, one.config()) for one in components}
    return create_model("ScoreConfig", __base__=ScoreConfig, __doc__=ScoreConfig.__doc__, **sections)


def build_detectors(
    components: Iterable[DetectorComponent], config: ScoreConfig, lines: LogWindows, background: Background = at_once
) -> list[AnyDetector]:
    """Those that are enabled, for one partition."""
    configured = [(one, getattr(config, one.name)) for one in components]
    return [one.build(settings, DetectorContext(lines, background)) for one, settings in configured if settings.enabled]
