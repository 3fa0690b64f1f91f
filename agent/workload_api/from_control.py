"""Identities out of the control plane's authority, by SDS: a stream for each service."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol, cast

import grpc.aio
import structlog

from agent.control_channel import control_channel
from agent.relay.messages import SECRET, Request, Response, read_message
from agent.workload_api.backoff import Backoff
from agent.workload_api.identity import X509Identity, from_pem
from components.xds.contract import SECRET_CERTIFICATE, SECRET_TRUST
from components.xds.pool import TYPE_PREFIX, message_class
from telemetry.errors import InputError

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from agent.config import ControlConfig
    from agent.metrics import AgentMetrics

log = structlog.get_logger(__name__)

SDS: Final = "/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets"


class _Source(Protocol):
    inline_string: str


class _Pair(Protocol):
    certificate_chain: _Source
    private_key: _Source


class _Context(Protocol):
    trusted_ca: _Source


class _Secret(Protocol):
    tls_certificate: _Pair
    validation_context: _Context


class FromControl:
    """Keeps the identity of one service new, while `run` runs.

    Args:
        config: where the control plane is.
        node: name of this agent in the fleet.
        service: whose identity.
        chance: for the jitter of retries.
        metrics: what is counted.
    """

    def __init__(self, config: ControlConfig, node: str, service: str, chance: random.Random, metrics: AgentMetrics) -> None:
        self._config, self._node, self._service, self._metrics = config, node, service, metrics
        self._backoff = Backoff(chance)

    async def run(self, put: Callable[[X509Identity], None]) -> None:
        """Connect, and connect again for as long as it takes; each identity goes to `put`."""
        while True:
            try:
                await self._stream(put)
                reason = "it closed the stream"
            except grpc.aio.AioRpcError as error:
                reason = str(error.details() or error.code())
            except (OSError, InputError) as error:
                reason = str(error)
            self._metrics.identity_failures.inc()
            delay = self._backoff.seconds()
            log.warning("identity_away", service=self._service, reason=reason[:500], retry_in_seconds=round(delay, 1))
            await asyncio.sleep(delay)

    async def _stream(self, put: Callable[[X509Identity], None]) -> None:
        node = message_class("envoy.config.core.v3.Node")(id=self._node, cluster=self._service).SerializeToString()
        names = (SECRET_CERTIFICATE, SECRET_TRUST)
        async with control_channel(self._config) as channel:
            call = channel.stream_stream(SDS)()
            await call.write(Request(SECRET, names, node=node).encode())
            version = ""
            async for data in call:
                response, refusal = Response.decode(data), ""
                try:
                    put(identity_of(response))
                except InputError as error:
                    refusal = str(error)
                    self._metrics.identities.labels("refused").inc()
                    log.error("identity_refused", service=self._service, reason=refusal)  # noqa: TRY400 - it says all
                else:
                    version = response.version
                    self._metrics.identities.labels("used").inc()
                    self._backoff.worked()
                await call.write(Request(SECRET, names, version, response.nonce, refusal).encode())


def identity_of(response: Response) -> X509Identity:
    """What the secrets of an answer are.

    Raises:
        InputError: one is missing, or they are no identity.
    """
    if not {SECRET_CERTIFICATE, SECRET_TRUST} <= response.resources.keys():
        raise InputError("an answer without the certificate or without whom to trust")
    kind = SECRET.removeprefix(TYPE_PREFIX)
    pair = cast("_Secret", read_message(kind, response.resources[SECRET_CERTIFICATE])).tls_certificate
    trust = cast("_Secret", read_message(kind, response.resources[SECRET_TRUST])).validation_context
    return from_pem(pair.certificate_chain.inline_string, pair.private_key.inline_string, trust.trusted_ca.inline_string)
