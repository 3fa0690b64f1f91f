"""The rate limit service of Envoy's protocol (envoy.service.ratelimit.v3), over counters in memory.

Counters begin anew when the control plane starts. Nobody's request depends on it: Envoy waits for an answer as long
as its deadline says, then lets the request pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from components.durations import HOUR, MINUTE, SECOND
from components.xds.pool import message_class, parse
from governance.limits.descriptors import read_descriptor
from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from governance.limits.windows import Ask, LimitAnswer, Windows
    from governance.metrics import ControlMetrics
    from telemetry.json_object import JsonObject

SERVICE, METHOD = "envoy.service.ratelimit.v3.RateLimitService", "ShouldRateLimit"
MAX_DESCRIPTORS = 100
_REQUEST = "envoy.service.ratelimit.v3.RateLimitRequest"
_RESPONSE = "envoy.service.ratelimit.v3.RateLimitResponse"
_UNITS = {SECOND: "SECOND", MINUTE: "MINUTE", HOUR: "HOUR", 24 * HOUR: "DAY"}


class _Entry(Protocol):
    key: str
    value: str


class _Hits(Protocol):
    value: int


class _Descriptor(Protocol):
    entries: Sequence[_Entry]
    hits_addend: _Hits


class _Request(Protocol):
    descriptors: Sequence[_Descriptor]
    hits_addend: int


class LimitService:
    """Answers whether a request is still within its limits.

    Args:
        windows: the counters.
        metrics: what is counted.
        now: nanoseconds since the epoch.
    """

    def __init__(self, windows: Windows, metrics: ControlMetrics, now: Callable[[], int]) -> None:
        self._windows, self._metrics, self._now = windows, metrics, now

    def handler(self) -> grpc.GenericRpcHandler:
        """For a server of grpc.aio."""
        return grpc.method_handlers_generic_handler(SERVICE, {METHOD: grpc.unary_unary_rpc_method_handler(self._serve)})

    async def _serve(self, encoded: bytes, context: grpc.aio.ServicerContext) -> bytes:
        try:
            asks = _read(encoded)
        except (InputError, DecodeError) as error:
            self._metrics.limit_requests.labels("unreadable").inc()
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        evicted = self._windows.evicted
        answers = self._windows.ask(asks, self._now())
        let_in = all(each.let_in for each in answers)
        self._metrics.limit_requests.labels("let_in" if let_in else "over").inc()
        self._metrics.limit_counters.set(len(self._windows))
        self._metrics.limit_evictions.inc(self._windows.evicted - evicted)
        statuses = [_status(ask, answer) for ask, answer in zip(asks, answers, strict=True)]
        return parse(_RESPONSE, {"overall_code": _code(let_in=let_in), "statuses": statuses}).SerializeToString()


def _read(encoded: bytes) -> list[Ask]:
    request = cast("_Request", message_class(_REQUEST).FromString(encoded))
    if len(request.descriptors) > MAX_DESCRIPTORS:
        raise InputError(f"{len(request.descriptors)} descriptors in one request; at most {MAX_DESCRIPTORS}")
    return [
        read_descriptor([(entry.key, entry.value) for entry in each.entries], each.hits_addend.value or request.hits_addend)
        for each in request.descriptors
    ]


def _code(*, let_in: bool) -> str:
    return "OK" if let_in else "OVER_LIMIT"


def _status(ask: Ask, answer: LimitAnswer) -> JsonObject:
    found: JsonObject = {
        "code": _code(let_in=answer.let_in),
        "limit_remaining": min(answer.remaining, 2**32 - 1),
        "duration_until_reset": f"{max(1, -(-answer.reset // SECOND))}s",
    }
    if (unit := _UNITS.get(ask.per)) is not None:
        found["current_limit"] = {"requests_per_unit": min(ask.most, 2**32 - 1), "unit": unit}
    return found
