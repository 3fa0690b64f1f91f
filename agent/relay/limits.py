"""Limits of the fleet: what Envoy asks of them goes to the control plane, while it is there and within Envoy's deadline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import grpc.aio

if TYPE_CHECKING:
    from agent.metrics import AgentMetrics
    from agent.relay.upstream import Upstream

SERVICE, METHOD = "envoy.service.ratelimit.v3.RateLimitService", "ShouldRateLimit"
MAX_IN_FLIGHT = 500
"""Questions at a time; past it Envoy lets requests pass unasked."""
MAX_SECONDS = 60.0
"""How long an answer is waited for where Envoy names no deadline."""


class LimitRelay:
    """Passes questions on. Without an answer Envoy lets the request pass: it is told so at once, and counted here."""

    def __init__(self, upstream: Upstream | None, metrics: AgentMetrics) -> None:
        self._upstream, self._metrics = upstream, metrics
        self._in_flight = 0

    def handler(self) -> grpc.GenericRpcHandler:
        """For the relay's server."""
        return grpc.method_handlers_generic_handler(SERVICE, {METHOD: grpc.unary_unary_rpc_method_handler(self._serve)})

    async def _serve(self, asked: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        channel = self._upstream.open_channel if self._upstream is not None else None
        if channel is None or self._in_flight >= MAX_IN_FLIGHT:
            self._metrics.limit_questions.labels("unasked").inc()
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the control plane is away, or too much is asked of it")
            return b""
        self._in_flight += 1
        try:
            call = channel.unary_unary(f"/{SERVICE}/{METHOD}")
            answer: bytes = await call(asked, timeout=min(context.time_remaining() or MAX_SECONDS, MAX_SECONDS))
        except grpc.aio.AioRpcError as error:
            self._metrics.limit_questions.labels("unanswered").inc()
            await context.abort(error.code(), (error.details() or "")[:500])
            return b""
        finally:
            self._in_flight -= 1
        self._metrics.limit_questions.labels("answered").inc()
        return answer
