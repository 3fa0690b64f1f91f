"""Many small export requests as few large ones, each with the time at which it is due."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from telemetry import otlp

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from collectors.replay.files import Request
    from telemetry.otlp import Signal

MAX_BYTES: Final = 2 * 2**20
"""A batch is closed at this size whatever its lines: half of what receivers of OTLP/gRPC take by default."""

TOGETHER_SECONDS: Final = 0.2
"""With a speed, lines that are due within so much of each other go together."""


@dataclass(frozen=True, slots=True)
class RequestBatch:
    """Lines of one signal as one request. `due` is when to send it, in seconds from the start."""

    signal: Signal
    value: bytes
    lines: int
    due: float = 0.0


def batches(requests: Iterable[Request], lines: int, speed: float | None = None) -> Iterator[RequestBatch]:
    """Requests of one signal put together, up to `lines` of them or `MAX_BYTES`.

    Args:
        requests: in the order in which they are to be sent.
        lines: the most lines to a batch.
        speed: how many times faster than the telemetry was made; None is without waiting. A line is due when its latest
            time has come; a line whose time is before that of an earlier one is due with it.
    """
    gathering: dict[Signal, _Gathering] = {}
    first = latest = 0
    for signal, value, _ in requests:
        due = 0.0
        if speed is not None:
            latest = max(latest, _latest_time(signal, value))
            first = first or latest
            due = (latest - first) / 1e9 / speed
        for other in [key for key, batch in gathering.items() if due - batch.due > TOGETHER_SECONDS]:
            yield gathering.pop(other).close()
        batch = gathering.get(signal)
        if batch is not None and batch.size + len(value) > MAX_BYTES:
            yield gathering.pop(signal).close()
            batch = None
        if batch is None:
            batch = gathering[signal] = _Gathering(signal, due)
        batch.values.append(value)
        batch.size += len(value)
        if len(batch.values) >= lines:
            yield gathering.pop(signal).close()
    for batch in gathering.values():
        yield batch.close()


@dataclass(slots=True)
class _Gathering:
    signal: Signal
    due: float
    values: list[bytes] = field(default_factory=list)
    size: int = 0

    def close(self) -> RequestBatch:
        # Protobuf merges messages by concatenation: requests one behind the other are one request with all their groups.
        return RequestBatch(self.signal, b"".join(self.values), len(self.values), self.due)


def _latest_time(signal: Signal, value: bytes) -> int:
    """The latest time in a request: it cannot have been exported earlier. 0 when it has none."""
    times: list[int]
    match signal:
        case "spans":
            times = [span.end for span in otlp.decode_spans(value)]
        case "logs":
            times = [record.time or record.observed_time for record in otlp.decode_logs(value)]
        case "metrics":
            times = [point.time for metric in otlp.decode_metrics(value) for point in metric.points]
    return max(times, default=0)
