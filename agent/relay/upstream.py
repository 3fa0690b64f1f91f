"""The stream to the control plane: subscriptions go up, responses come down, each is accepted or refused."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import grpc.aio
import structlog

from agent.control_channel import control_channel
from agent.relay.messages import ADS, STREAM, TYPES, Request, Response
from telemetry.errors import DecodeError

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Collection

    from agent.config import ControlConfig
    from agent.metrics import AgentMetrics

log = structlog.get_logger(__name__)

FIRST_BACKOFF, MAX_BACKOFF = 0.2, 15.0
"""Seconds before another try, doubled with each, times a random 0.5 to 1.5: agents do not come back all at once."""

MAX_ERROR: Final = 2_000
"""Characters of a refusal; the reason stands at the end of Envoy's text."""


@dataclass(slots=True)
class _TypeState:
    """A type: what is asked for, and whether the newest response was accepted."""

    names: tuple[str, ...]
    version: str
    nonce: str = ""
    error: str = ""
    unsent: bool = True


class Upstream:
    """Keeps a stream open while `run` runs. At most one request of a type waits to be sent: it carries what earlier ones did.

    Args:
        config: where the control plane is.
        chance: for the jitter of retries.
        metrics: what is counted.
    """

    def __init__(self, config: ControlConfig, chance: random.Random, metrics: AgentMetrics) -> None:
        self._config, self._chance, self._metrics = config, chance, metrics
        self._subscriptions: dict[str, _TypeState] = {}
        self._wake = asyncio.Event()
        self.node = b""
        self.connected = False
        self.open_channel: grpc.aio.Channel | None = None
        self._got = False  # whether the stream brought anything

    def subscribe(self, type_url: str, names: Collection[str] | None, version: str, *, again: bool = False) -> None:
        """Ask for these, or for all.

        Args:
            type_url: of what.
            names: None for all.
            version: what Envoy has, for the first request of the type.
            again: ask even if that is what was asked for before.
        """
        wanted = tuple(sorted(names)) if names is not None else ()
        known = self._subscriptions.get(type_url)
        if known is None:
            if wanted or names is None:
                self._subscriptions[type_url] = _TypeState(wanted, version)
                self._wake.set()
        elif known.names != wanted or again:
            known.names, known.unsent = wanted, True
            self._wake.set()

    def accept(self, response: Response) -> None:
        """Say that Envoy has it."""
        self._say(response, response.version, "")

    def refuse(self, response: Response, reason: str) -> None:
        """Say that Envoy does not take it."""
        self._say(response, None, reason[-MAX_ERROR:])

    def _say(self, response: Response, version: str | None, error: str) -> None:
        known = self._subscriptions.get(response.type_url)
        if known is None or not response.nonce:
            return
        known.version = known.version if version is None else version
        known.nonce, known.error, known.unsent = response.nonce, error, True
        self._wake.set()

    async def run(self, offered: Callable[[Response], None]) -> None:
        """Connect, and connect again for as long as it takes; each response goes to `offered`."""
        tries = 0
        while True:
            while not self.node:  # it is Envoy that says who it is
                await self._wake.wait()
                self._wake.clear()
            try:
                got = await self._stream(offered)
                reason = "it closed the stream"
            except grpc.aio.AioRpcError as error:
                got, reason = self._got, str(error.details() or error.code())
            except (OSError, grpc.aio.BaseError, asyncio.InvalidStateError) as error:
                got, reason = False, str(error)
            except asyncio.CancelledError:
                if (task := asyncio.current_task()) is None or task.cancelling():
                    raise
                got, reason = False, "gRPC cancelled the call"  # which it does by itself, too, when a stream breaks
            self._set_connected(connected=False)
            self._metrics.control_failures.inc()
            tries = 0 if got else tries + 1
            delay = min(FIRST_BACKOFF * 2 ** min(tries, 20), MAX_BACKOFF) * (0.5 + self._chance.random())
            log.warning("control_plane_away", reason=reason[:500], retry_in_seconds=round(delay, 1))
            await asyncio.sleep(delay)

    async def _stream(self, offered: Callable[[Response], None]) -> bool:
        """One stream to its end; True if it brought anything."""
        async with control_channel(self._config) as channel:
            self._got = False
            call = channel.stream_stream(f"/{ADS}/{STREAM}")()
            for one in self._subscriptions.values():  # a new stream knows nothing of those before
                one.nonce, one.error, one.unsent = "", "", True
            self._wake.set()
            writer = asyncio.create_task(self._write(call))
            try:
                await call.wait_for_connection()  # who has nothing new for us sends nothing
                self._set_connected(connected=True)
                self.open_channel = channel
                async for data in call:
                    self._got = True
                    try:
                        response = Response.decode(data)
                    except DecodeError as error:
                        self._metrics.responses.labels("unreadable").inc()
                        log.error("control_plane_unreadable", reason=str(error))  # noqa: TRY400 - the message says all
                        return False
                    offered(response)
            finally:
                self.open_channel = None
                writer.cancel()
                with contextlib.suppress(asyncio.CancelledError, grpc.aio.BaseError, asyncio.InvalidStateError):
                    await writer
            return self._got

    async def _write(self, call: grpc.aio.StreamStreamCall[bytes, bytes]) -> None:
        node = self.node
        while True:
            await self._wake.wait()
            self._wake.clear()
            for type_url in TYPES:
                one = self._subscriptions.get(type_url)
                if one is not None and one.unsent:
                    one.unsent = False
                    await call.write(Request(type_url, one.names, one.version, one.nonce, one.error, node).encode())
                    node = b""  # in the first alone

    def _set_connected(self, *, connected: bool) -> None:
        if connected and not self.connected:
            log.info("control_plane_connected", address=self._config.address)
        self.connected = connected
        self._metrics.control_connected.set(connected)
