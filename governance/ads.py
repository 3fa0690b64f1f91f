"""The aggregated discovery service: one gRPC stream for each agent, in either form of the protocol."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Protocol, cast

import grpc
import structlog
from google.protobuf.message import DecodeError, Message

from components.durations import SECOND
from components.sender import grpc_host
from components.xds.contract import NODE_METADATA
from components.xds.pool import message_class, to_dict
from governance.compile.site import place_of
from governance.xds.delta import DeltaStream
from governance.xds.sotw import SotwStream
from governance.xds.stream import HOLD, ProtocolError
from telemetry.errors import OverloadedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from governance.fleet import Fleet, Session
    from governance.metrics import ControlMetrics
    from governance.xds.stream import Stream

log = structlog.get_logger(__name__)

SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"
WAITING_REQUESTS = 8
"""Requests of a stream that wait to be read, of megabytes at worst; past it the agent waits."""
FIRST_SECONDS = 30.0
"""How long a stream may say nothing before it is one of an agent."""
WRITE_SECONDS = 60.0
"""How long an agent may leave a response unread."""
MAX_ID = 200


class _Node(Protocol):
    id: str
    cluster: str
    metadata: Message


class Admission(Protocol):
    """Whether a peer may be the agent that it says it is."""

    def admit(self, service: str, context: grpc.aio.ServicerContext) -> str:
        """Why not; empty if it may."""
        ...


class Ads:
    """Serves what the fleet says each agent is to have."""

    def __init__(self, fleet: Fleet, metrics: ControlMetrics, admission: Admission | None = None) -> None:
        self._fleet, self._metrics, self._admission = fleet, metrics, admission

    def handler(self) -> grpc.GenericRpcHandler:
        """For a server of grpc.aio."""
        both = {
            "StreamAggregatedResources": self._method(SotwStream, "envoy.service.discovery.v3.DiscoveryRequest"),
            "DeltaAggregatedResources": self._method(DeltaStream, "envoy.service.discovery.v3.DeltaDiscoveryRequest"),
        }
        return grpc.method_handlers_generic_handler(SERVICE, both)

    def _method(self, new: Callable[[], Stream], message: str) -> grpc.RpcMethodHandler:
        async def serve(requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> None:
            with self._metrics.streams.track_inprogress():
                try:
                    await _Connection(self._fleet, self._metrics, new(), context).run(requests, message, self._admission)
                except (ProtocolError, DecodeError) as error:
                    self._metrics.closed.labels("protocol").inc()
                    await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
                except OverloadedError as error:
                    self._metrics.closed.labels("overloaded").inc()
                    await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))
                except _NotAdmittedError as error:
                    self._metrics.closed.labels("identity").inc()
                    log.warning("agent_refused", reason=str(error))
                    await context.abort(grpc.StatusCode.PERMISSION_DENIED, str(error))

        return grpc.stream_stream_rpc_method_handler(serve)


class _NotAdmittedError(Exception):
    """The peer may not be the agent that it says it is."""


class _Connection:
    """One stream, from its first request to its end."""

    def __init__(self, fleet: Fleet, metrics: ControlMetrics, stream: Stream, context: grpc.aio.ServicerContext) -> None:
        self._fleet, self._metrics, self._stream, self._context = fleet, metrics, stream, context

    async def run(self, requests: AsyncIterator[bytes], message: str, admission: Admission | None) -> None:
        """Until the agent closes it."""
        try:
            async with asyncio.timeout(FIRST_SECONDS):
                first = await anext(aiter(requests), None)
        except TimeoutError:
            raise ProtocolError(f"no request within {FIRST_SECONDS:g} s") from None
        if first is None:
            return
        session = self._connect(first, message, admission)
        waiting: asyncio.Queue[bytes | None] = asyncio.Queue(WAITING_REQUESTS)
        waiting.put_nowait(first)
        reader = asyncio.create_task(_read(requests, waiting, session.wake))
        try:
            session.wake.set()
            while await self._turn(session, waiting):
                pass
        finally:
            self._fleet.disconnect(session)
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reader

    async def _turn(self, session: Session, waiting: asyncio.Queue[bytes | None]) -> bool:
        """Wait for something to do, and do it; whether the stream goes on."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HOLD / SECOND if self._stream.held else None):
                await session.wake.wait()
        session.wake.clear()
        agent = session.agent
        while not waiting.empty():
            encoded = waiting.get_nowait()
            if encoded is None:
                return False
            self._metrics.requests.inc()
            reply = self._stream.request(encoded, agent.snapshot)
            if reply is not None:
                if reply.refusal:
                    self._metrics.refusals.labels(reply.kind.value).inc()
                    log.warning("configuration_refused", agent=agent.id, revision=reply.revision, reason=reply.refusal)
                self._fleet.replied(session, reply)
        snapshot = agent.snapshot
        if snapshot is not None:
            for response in self._stream.responses(snapshot, time.monotonic_ns()):
                self._metrics.responses.inc()
                await self._write(response)
            if self._stream.settled(snapshot):
                self._fleet.settled(session, snapshot)
        return True

    async def _write(self, response: bytes) -> None:
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await self._context.write(response)
        except TimeoutError:
            raise ProtocolError(f"a response was not read within {WRITE_SECONDS:g} s") from None

    def _connect(self, first: bytes, message: str, admission: Admission | None) -> Session:
        request = message_class(message).FromString(first)
        node = cast("_Node", getattr(request, "node", None))
        if not node.id or len(node.id) > MAX_ID or not node.cluster:
            raise ProtocolError(f"the first request has to have a node with an id of at most {MAX_ID} characters and a cluster")
        if admission is not None and (reason := admission.admit(node.cluster, self._context)):
            raise _NotAdmittedError(f"{node.id} of {node.cluster}: {reason}")
        try:
            about = to_dict(node.metadata).get(NODE_METADATA)
        except ValueError as error:  # NaN, which JSON has not
            raise ProtocolError(f"the node's metadata cannot be read: {error}") from None
        place = place_of(node.cluster, about if isinstance(about, dict) else {})
        return self._fleet.connect(node.id, place, grpc_host(self._context.peer()) or "127.0.0.1")


async def _read(requests: AsyncIterator[bytes], waiting: asyncio.Queue[bytes | None], wake: asyncio.Event) -> None:
    try:
        async for encoded in requests:
            await waiting.put(encoded)
            wake.set()
    finally:
        while waiting.full():  # it ends: what it still carried no longer matters
            waiting.get_nowait()
        waiting.put_nowait(None)
        wake.set()
