"""Identities out of somebody else's Workload API: that of a SPIRE agent, say."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import grpc.aio
import structlog

from agent.workload_api.backoff import Backoff
from agent.workload_api.identity import MAX_BYTES, X509Identity, from_svid
from agent.workload_api.messages import FETCH_SVID, HEADER, SERVICE, read_svids
from components.spiffe import spiffe_id
from telemetry.errors import InputError

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from agent.metrics import AgentMetrics

log = structlog.get_logger(__name__)

MAX_IDS: Final = 10
"""Ids that the log names."""
OPTIONS: Final = (("grpc.max_receive_message_length", 4 * MAX_BYTES), ("grpc.enable_http_proxy", 0))


class FromWorkloadApi:
    """Keeps the identity of one service new, while `run` runs.

    Args:
        address: of the socket, as gRPC writes it.
        service: whose identity.
        chance: for the jitter of retries.
        metrics: what is counted.
    """

    def __init__(self, address: str, service: str, chance: random.Random, metrics: AgentMetrics) -> None:
        self._address, self._service, self._metrics = address, service, metrics
        self._backoff = Backoff(chance)

    async def run(self, put: Callable[[X509Identity], None]) -> None:
        """Connect, and connect again for as long as it takes; each identity goes to `put`."""
        while True:
            try:
                async with grpc.aio.insecure_channel(self._address, OPTIONS) as channel:
                    async for data in channel.unary_stream(f"/{SERVICE}/{FETCH_SVID}")(b"", metadata=[HEADER]):
                        self._use(data, put)
                reason = "it closed the stream"
            except grpc.aio.AioRpcError as error:
                reason = str(error.details() or error.code())
            self._metrics.identity_failures.inc()
            delay = self._backoff.seconds()
            log.warning("identity_away", service=self._service, reason=reason[:500], retry_in_seconds=round(delay, 1))
            await asyncio.sleep(delay)

    def _use(self, data: bytes, put: Callable[[X509Identity], None]) -> None:
        """What cannot be used leaves what there was."""
        try:
            identity = chosen(data, self._service)
        except InputError as error:
            self._metrics.identities.labels("refused").inc()
            log.error("identity_refused", service=self._service, reason=str(error))  # noqa: TRY400 - it says all
            return
        self._metrics.identities.labels("used").inc()
        self._backoff.worked()
        put(identity)


def chosen(data: bytes, service: str) -> X509Identity:
    """The identity of a service out of an answer: policies name its callers by that id, so no other will do.

    Raises:
        InputError: it is not there, or is none.
    """
    svids = read_svids(data)
    for svid in svids:
        domain = svid.spiffe_id.removeprefix("spiffe://").partition("/")[0]
        if svid.spiffe_id == spiffe_id(domain, service):
            return from_svid(svid)
    wanted = spiffe_id("TRUST_DOMAIN", service)
    got = ", ".join(each.spiffe_id for each in svids[:MAX_IDS]) or "nothing"
    raise InputError(f"register {wanted} for this agent: the Workload API gives it {got}")
