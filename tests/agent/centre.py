"""A control plane for tests: it serves what it is given over ADS and notes what agents say. It knows nothing of ours."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

import grpc
import grpc.aio

from components.xds.pool import TYPE_PREFIX, message_class, parse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

REQUEST: Any = message_class("envoy.service.discovery.v3.DiscoveryRequest")
RESPONSE: Any = message_class("envoy.service.discovery.v3.DiscoveryResponse")
SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"


class Centre:
    """State-of-the-world ADS on a port of loopback; entered again it has the same port."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.answers: dict[str, tuple[str, list[Mapping[str, Any]]]] = {}  # by type: version, resources
        self.accepted: dict[str, str] = {}
        self.refused: list[tuple[str, str]] = []  # type, reason
        self.nodes: list[Any] = []
        self.asked: list[tuple[str, tuple[str, ...]]] = []
        self.changed = asyncio.Condition()
        self._server: grpc.aio.Server | None = None
        self._nonce = 0

    async def __aenter__(self) -> Self:
        self._server = grpc.aio.server()
        handler = grpc.stream_stream_rpc_method_handler(self._stream)
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(SERVICE, {"StreamAggregatedResources": handler}),)
        )
        self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        await self._server.stop(0)

    async def publish(self, kind: str, version: str, *resources: Mapping[str, Any]) -> None:
        """What is to be served of a type from now on."""
        async with self.changed:
            self.answers[TYPE_PREFIX + kind] = version, list(resources)
            self.changed.notify_all()

    async def until(self, check: Any, seconds: float = 60.0) -> None:
        """Wait for something that agents say."""
        async with asyncio.timeout(seconds), self.changed:
            await self.changed.wait_for(check)

    async def _stream(self, requests: AsyncIterator[bytes], context: Any) -> None:
        subscribed: dict[str, str] = {}  # type to the version sent last
        reader = asyncio.create_task(self._read(requests, subscribed))
        try:
            while True:
                async with self.changed:
                    await self.changed.wait_for(lambda: self._due(subscribed))
                    due = self._due(subscribed)
                for kind in due:
                    version, resources = self.answers[kind]
                    subscribed[kind] = version
                    self._nonce += 1
                    response = RESPONSE(version_info=version, type_url=kind, nonce=str(self._nonce))
                    for one in resources:
                        packed = response.resources.add()
                        packed.type_url = kind
                        packed.value = parse(kind.removeprefix(TYPE_PREFIX), one).SerializeToString()
                    await context.write(response.SerializeToString())
        finally:
            reader.cancel()

    def _due(self, subscribed: Mapping[str, str]) -> list[str]:
        return [kind for kind in self.answers if kind in subscribed and subscribed[kind] != self.answers[kind][0]]

    async def _read(self, requests: AsyncIterator[bytes], subscribed: dict[str, str]) -> None:
        async for data in requests:
            request = REQUEST.FromString(data)
            async with self.changed:
                self.asked.append((request.type_url, tuple(request.resource_names)))
                if request.HasField("node"):
                    self.nodes.append(request.node)
                if request.HasField("error_detail"):
                    self.refused.append((request.type_url, request.error_detail.message))
                elif request.response_nonce:
                    self.accepted[request.type_url] = request.version_info
                subscribed.setdefault(request.type_url, "")
                self.changed.notify_all()
