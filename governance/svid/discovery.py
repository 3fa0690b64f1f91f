"""The secret discovery service: the identity of one workload on a stream of its own, for those who are no Envoy."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Protocol, cast

import grpc
import structlog
from google.protobuf.message import DecodeError

from components.xds.pool import message_class
from governance.xds.snapshot import TYPE_URLS, Kind
from governance.xds.stream import ProtocolError, Request, check_names, kind_of
from telemetry.errors import OverloadedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from governance.ads import Admission
    from governance.metrics import ControlMetrics
    from governance.svid.streams import SecretStream, SecretStreams
    from governance.xds.snapshot import Resource

log = structlog.get_logger(__name__)

SERVICE, METHOD = "envoy.service.secret.v3.SecretDiscoveryService", "StreamSecrets"
FIRST_SECONDS = 30.0
"""How long a stream may say nothing before it names its service."""
WRITE_SECONDS = 60.0
"""How long a client may leave a response unread."""
MAX_SERVICE = 200


class _SecretRequest(Request, Protocol):
    resource_names: Sequence[str]


class SecretDiscovery:
    """Serves what each stream is to have; new secrets are pushed."""

    def __init__(self, streams: SecretStreams, metrics: ControlMetrics, admission: Admission | None = None) -> None:
        self._streams, self._metrics, self._admission = streams, metrics, admission

    def handler(self) -> grpc.GenericRpcHandler:
        """For a server of grpc.aio."""
        return grpc.method_handlers_generic_handler(SERVICE, {METHOD: grpc.stream_stream_rpc_method_handler(self._serve)})

    async def _serve(self, requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> None:
        try:
            first = await _first(requests)
            if first is not None:
                await self._run(first, requests, context)
        except (ProtocolError, DecodeError) as error:
            self._metrics.closed.labels("protocol").inc()
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except OverloadedError as error:
            self._metrics.closed.labels("overloaded").inc()
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))

    async def _run(self, first: _SecretRequest, requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> None:
        node, service = first.node, first.node.cluster
        if not service or len(service) > MAX_SERVICE:
            raise ProtocolError(
                f"node.cluster has to be the service whose identity is asked for, at most {MAX_SERVICE} characters"
            )
        if self._admission is not None and (reason := self._admission.admit(service, context)):
            self._metrics.closed.labels("identity").inc()
            log.warning("workload_refused", node=node.id[:MAX_SERVICE], service=service, reason=reason)
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, f"{service}: {reason}")
        names = frozenset(first.resource_names)
        check_names(names)
        stream = self._streams.open(service)
        writer = asyncio.create_task(self._write(stream, names, context))
        reader = asyncio.create_task(self._read(stream, names, requests))
        try:
            with self._metrics.streams.track_inprogress():
                done, _ = await asyncio.wait((writer, reader), return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                each.result()
        finally:
            self._streams.close(stream)
            for each in (writer, reader):
                each.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await each

    async def _write(self, stream: SecretStream, names: frozenset[str], context: grpc.aio.ServicerContext) -> None:
        while True:
            stream.wake.clear()
            self._metrics.responses.inc()
            try:
                async with asyncio.timeout(WRITE_SECONDS):
                    await context.write(_response(_chosen(stream, names)))
            except TimeoutError:
                raise ProtocolError(f"a response was not read within {WRITE_SECONDS:g} s") from None
            await stream.wake.wait()

    async def _read(self, stream: SecretStream, names: frozenset[str], requests: AsyncIterator[bytes]) -> None:
        async for encoded in requests:
            self._metrics.requests.inc()
            request = _decode(encoded)
            if frozenset(request.resource_names) != names:
                raise ProtocolError("a stream of secrets is for the names of its first request")
            if request.HasField("error_detail"):
                self._metrics.refusals.labels(Kind.SECRET.value).inc()
                log.warning("secret_refused", service=stream.service, reason=request.error_detail.message[-500:])
            elif request.response_nonce == _nonce(_chosen(stream, names)):
                stream.has = stream.resources


def _chosen(stream: SecretStream, names: frozenset[str]) -> Mapping[str, Resource]:
    return {name: each for name, each in stream.resources.items() if name in names}


def _nonce(resources: Mapping[str, Resource]) -> str:
    return ".".join(each.version for each in resources.values())


def _response(resources: Mapping[str, Resource]) -> bytes:
    url, version = TYPE_URLS[Kind.SECRET], _nonce(resources)
    packed = [{"type_url": url, "value": each.body} for each in resources.values()]
    response = message_class("envoy.service.discovery.v3.DiscoveryResponse")(
        version_info=version, nonce=version, type_url=url, resources=packed
    )
    return response.SerializeToString()


async def _first(requests: AsyncIterator[bytes]) -> _SecretRequest | None:
    try:
        async with asyncio.timeout(FIRST_SECONDS):
            encoded = await anext(aiter(requests), None)
    except TimeoutError:
        raise ProtocolError(f"no request within {FIRST_SECONDS:g} s") from None
    return None if encoded is None else _decode(encoded)


def _decode(encoded: bytes) -> _SecretRequest:
    request = cast("_SecretRequest", message_class("envoy.service.discovery.v3.DiscoveryRequest").FromString(encoded))
    if request.type_url and kind_of(request.type_url) is not Kind.SECRET:
        raise ProtocolError(f"{request.type_url}: secrets alone are served here")
    return request
