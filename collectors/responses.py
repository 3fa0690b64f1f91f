"""What OTLP receivers answer: the export response of each signal, and for what is refused a google.rpc.Status.

OTLP specification, "Partial Success", "Failures" and "Throttling" of both transports. Being overloaded is 503 over HTTP
and not 429: there are exporters that give up on a 429, and none that give up on a 503.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from google.protobuf import any_pb2
from google.protobuf.message import DecodeError as ProtobufDecodeError
from google.rpc.code_pb2 import (
    DEADLINE_EXCEEDED,
    INVALID_ARGUMENT,
    PERMISSION_DENIED,
    RESOURCE_EXHAUSTED,
    UNAUTHENTICATED,
    UNAVAILABLE,
)
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from collectors.decoding import Outcome
from collectors.errors import (
    ForbiddenError,
    ForeignHostError,
    ForeignOriginError,
    LogUnavailableError,
    ThrottledError,
    TooLargeError,
    TooManyItemsError,
    TooSlowError,
    UnauthenticatedError,
    UnsupportedError,
)
from telemetry.errors import DecodeError, OverloadedError, SpanloomError
from telemetry.structure import TooManyElementsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.message import Message

    from telemetry.otlp import Signal

Answer = TypeVar("Answer", bound="Message")

_RESPONSES: Final[Mapping[Signal, tuple[type[Message], str]]] = {
    "spans": (ExportTraceServiceResponse, "rejected_spans"),
    "logs": (ExportLogsServiceResponse, "rejected_log_records"),
    "metrics": (ExportMetricsServiceResponse, "rejected_data_points"),
}


@dataclass(frozen=True, slots=True)
class Rejection:
    """How a request is refused: for the metrics, over HTTP, and in words. `retry_after` seconds, where a retry makes sense."""

    reason: str
    http_status: int
    status: Status
    retry_after: float | None = None

    @property
    def retry_info(self) -> RetryInfo:
        """When to try again, as protobuf."""
        info = RetryInfo()
        info.retry_delay.FromNanoseconds(round((self.retry_after or 0) * 1e9))
        return info


def response(signal: Signal, outcome: Outcome) -> Message:
    """The export response as a protobuf message. `partial_success` is set where something was refused, or as a warning."""
    message, rejected = _RESPONSES[signal]
    if not outcome.rejected and not outcome.message:
        return message()
    return message(partial_success={rejected: outcome.rejected, "error_message": outcome.message})


def outcome(signal: Signal, data: bytes) -> Outcome:
    """What a protobuf export response says.

    Raises:
        ValueError: it is none.
    """
    message, rejected = _RESPONSES[signal]
    answer = _read(message, data)
    partial = getattr(answer, "partial_success")  # noqa: B009 - each of the three messages has it
    return Outcome(getattr(partial, rejected), partial.error_message)


def reason(data: bytes) -> str:
    """The message of a protobuf google.rpc.Status.

    Raises:
        ValueError: it is none.
    """
    return str(_read(Status, data).message)


def _read(message: type[Answer], data: bytes) -> Answer:
    try:
        return message.FromString(data)
    except ProtobufDecodeError as error:
        raise ValueError(f"not a protobuf {message.DESCRIPTOR.name}") from error


def refusal(error: SpanloomError) -> Rejection:
    """The answer to a request that failed with this error; one worth another try carries RetryInfo."""
    match error:
        case ThrottledError(retry_after=seconds):
            return _try_again("throttled", 429, RESOURCE_EXHAUSTED, error, seconds)
        case OverloadedError(retry_after=seconds):
            return _try_again("overloaded", 503, RESOURCE_EXHAUSTED, error, seconds)
        case LogUnavailableError(retry_after=seconds):
            return _try_again("unavailable", 503, UNAVAILABLE, error, seconds)
    for kind, (reason, http_status, code) in _FOR_GOOD.items():
        if isinstance(error, kind):
            return Rejection(reason, http_status, Status(code=code, message=str(error)))
    raise error


_FOR_GOOD: Final[Mapping[type[SpanloomError], tuple[str, int, int]]] = {
    DecodeError: ("malformed", 400, INVALID_ARGUMENT),
    TooManyItemsError: ("too_many", 400, INVALID_ARGUMENT),
    TooManyElementsError: ("too_many", 400, INVALID_ARGUMENT),
    TooLargeError: ("too_large", 413, RESOURCE_EXHAUSTED),
    UnsupportedError: ("unsupported", 415, INVALID_ARGUMENT),
    TooSlowError: ("too_slow", 408, DEADLINE_EXCEEDED),
    UnauthenticatedError: ("unauthenticated", 401, UNAUTHENTICATED),
    ForbiddenError: ("forbidden", 403, PERMISSION_DENIED),
    ForeignHostError: ("host", 403, PERMISSION_DENIED),
    ForeignOriginError: ("origin", 403, PERMISSION_DENIED),
}


def _try_again(reason: str, http_status: int, code: int, error: SpanloomError, seconds: float) -> Rejection:
    found = Rejection(reason, http_status, Status(code=code, message=str(error)), seconds)
    detail = any_pb2.Any()
    detail.Pack(found.retry_info)
    found.status.details.append(detail)
    return found
