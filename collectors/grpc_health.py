"""The health service of gRPC (`grpc.health.v1`), which probes of Kubernetes, load balancers and clients ask.

It answers without a token, as it says nothing but that the port is served. In grpcio-health-checking the calls that watch have
no bound, and do not end when the server stops, which then waits for all of its grace. The two messages have one field each, so
they are written here by hand. Protocol: grpc-proto `grpc/health/v1/health.proto`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import grpc
import grpc.aio
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from google.protobuf.message import Message

SERVICE: Final = "grpc.health.v1.Health"
SERVING, NOT_SERVING, SERVICE_UNKNOWN = 1, 2, 3

MAX_WATCHES: Final = 100
"""Calls that watch at a time; each is kept open."""


def _request_type() -> type[Message]:
    file = descriptor_pb2.FileDescriptorProto(name="health.proto", package="grpc.health.v1", syntax="proto3")
    field = descriptor_pb2.FieldDescriptorProto
    file.message_type.add(name="HealthCheckRequest").field.add(
        name="service", number=1, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("grpc.health.v1.HealthCheckRequest"))


_Request: Final = _request_type()


def _answer(status: int) -> bytes:
    return bytes((0x08, status))  # field 1, a varint


class Health:
    """Whether the services of a server are served: all of them, or none while it stops.

    Args:
        services: their names; the empty name is the server as a whole.
    """

    def __init__(self, services: Iterable[str]) -> None:
        self._services = frozenset({"", SERVICE, *services})
        self._serving = False
        self._changed = asyncio.Event()
        self._watches = 0

    def set_serving(self, *, serving: bool) -> None:
        """Say from now on that they are served, or not; tells those that watch."""
        self._serving = serving
        self._changed.set()
        self._changed = asyncio.Event()

    def handler(self) -> grpc.GenericRpcHandler:
        """The methods of the service."""
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "Check": grpc.unary_unary_rpc_method_handler(self._check, _Request.FromString),
                "Watch": grpc.unary_stream_rpc_method_handler(self._watch, _Request.FromString),
            },
        )

    def _status(self, service: str) -> int:
        if service not in self._services:
            return SERVICE_UNKNOWN
        return SERVING if self._serving else NOT_SERVING

    async def _check(self, request: Message, context: grpc.aio.ServicerContext) -> bytes:
        status = self._status(request.service)  # type: ignore[attr-defined] # made above
        if status == SERVICE_UNKNOWN:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such service")
        return _answer(status)

    async def _watch(self, request: Message, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
        if self._watches >= MAX_WATCHES:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, f"{MAX_WATCHES} calls watch already: use Check")
        self._watches += 1
        try:
            while True:
                changed = self._changed
                yield _answer(self._status(request.service))  # type: ignore[attr-defined] # made above
                if not self._serving:
                    return  # the server stops
                await changed.wait()
        finally:
            self._watches -= 1
