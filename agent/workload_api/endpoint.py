"""The SPIFFE Workload API on a Unix socket: who may open the file is the workload, and gets its identity."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import grpc
import grpc.aio
import structlog

from agent.workload_api.messages import FETCH_BUNDLES, FETCH_SVID, HEADER, SERVICE, bundles_response, svids_response
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from agent.config import WorkloadSocketConfig
    from agent.metrics import AgentMetrics
    from agent.workload_api.identity import HeldIdentity, X509Identity

log = structlog.get_logger(__name__)

MAX_STREAMS: Final = 100
"""Calls of one socket at a time; each stays open. Past it they are refused and counted."""
MAX_REQUEST: Final = 64 << 10
"""Bytes of a request; those of the X.509 profile are empty."""
IDLE_MS: Final = 300_000
"""A connection without a call is closed after that."""
FIRST_SECONDS: Final = 10.0
"""How long a call waits for a first identity."""
WRITE_SECONDS: Final = 60.0
"""How long a client may leave an answer unread."""
MAX_PATH: Final = 80
"""Bytes of a socket's path; Linux allows 107, of which some go into the name that it has while it is made."""


class WorkloadEndpoint:
    """One socket, from entering to leaving.

    Args:
        config: where it is, and whose.
        identity: what is handed out.
        now: nanoseconds since the epoch.
        metrics: what is counted.
    """

    def __init__(
        self, config: WorkloadSocketConfig, identity: HeldIdentity, now: Callable[[], int], metrics: AgentMetrics
    ) -> None:
        self._config, self._identity, self._now, self._metrics = config, identity, now, metrics
        self._server: grpc.aio.Server | None = None
        self._inode = 0
        self._open = 0

    async def __aenter__(self) -> Self:
        """Listen.

        Raises:
            ConfigError: the socket cannot be made, or others could replace it.
        """
        server = grpc.aio.server(
            options=(
                ("grpc.max_receive_message_length", MAX_REQUEST),
                ("grpc.max_concurrent_streams", MAX_STREAMS),
                ("grpc.max_connection_idle_ms", IDLE_MS),
            )
        )
        methods = {FETCH_SVID: self._method(_svids), FETCH_BUNDLES: self._method(_bundles)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
        try:
            self._bind(server)
        except (OSError, RuntimeError) as error:
            raise ConfigError(f"agent.identity.sockets: {self._config.path}: {error}") from error
        self._server = server
        await server.start()
        return self

    def _bind(self, server: grpc.aio.Server) -> None:
        """Nobody can open it before it is the workload's: it is made in a closed folder, and moved when it is ready."""
        path = self._config.path
        if len(bytes(path)) > MAX_PATH:
            raise ConfigError(f"agent.identity.sockets: {path}: longer than {MAX_PATH} bytes")
        for missing in reversed([each for each in path.parents if not each.exists()]):
            missing.mkdir()
            missing.chmod(0o711)  # workloads of other users pass through
        folder = path.parent.stat()
        if folder.st_mode & 0o022 and not folder.st_mode & stat.S_ISVTX:
            raise ConfigError(f"agent.identity.sockets: {path}: others can write to its folder, and could replace it")
        if path.exists() and not stat.S_ISSOCK(path.lstat().st_mode):
            raise ConfigError(f"agent.identity.sockets: {path}: something else is there")
        closed = Path(tempfile.mkdtemp(prefix=".", dir=path.parent))
        try:
            made = closed / "s"
            server.add_insecure_port(f"unix:{made}")
            user, group = self._config.user, self._config.group
            os.chown(made, -1 if user is None else user, -1 if group is None else group)
            made.chmod(0o600 if group is None else 0o660)
            self._inode = made.stat().st_ino
            made.replace(path)
        finally:
            shutil.rmtree(closed, ignore_errors=True)

    async def __aexit__(self, *_: object) -> None:
        server, self._server = self._server, None
        if server is not None:
            await server.stop(0)
            try:
                if self._config.path.lstat().st_ino == self._inode:  # not that of an agent that came after this one
                    self._config.path.unlink()
            except OSError:
                pass

    def _method(self, answer: Callable[[X509Identity], bytes]) -> grpc.RpcMethodHandler:
        async def serve(_: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
            # One header alone: a caller that adds to what others send must not be able to smuggle it in.
            shown = [value for key, value in context.invocation_metadata() or () if key == HEADER[0]]
            if shown != [HEADER[1]]:
                await self._refuse(context, "no_header", grpc.StatusCode.INVALID_ARGUMENT, f"needs {HEADER[0]}: {HEADER[1]}")
            if self._open >= MAX_STREAMS:
                code = grpc.StatusCode.RESOURCE_EXHAUSTED
                await self._refuse(context, "too_many", code, f"{MAX_STREAMS} calls are open at this socket")
            self._open += 1
            try:
                await self._serve(context, answer)
            finally:
                self._open -= 1

        return grpc.unary_stream_rpc_method_handler(serve)

    async def _serve(self, context: grpc.aio.ServicerContext[bytes, bytes], answer: Callable[[X509Identity], bytes]) -> None:
        known, sent = None, b""
        try:
            async with asyncio.timeout(FIRST_SECONDS):
                known = await self._identity.other_than(None)
        except TimeoutError:
            known = None
        if known is None or known.expires <= self._now():
            text = "no valid identity yet: where it comes from is away, or refuses this agent"
            await self._refuse(context, "unavailable", grpc.StatusCode.UNAVAILABLE, text)
            return
        self._metrics.workload_calls.labels("served").inc()
        while True:
            if (message := answer(known)) != sent:
                try:
                    async with asyncio.timeout(WRITE_SECONDS):
                        await context.write(message)
                except TimeoutError:
                    await self._refuse(context, "unread", grpc.StatusCode.DEADLINE_EXCEEDED, "an answer was not read")
                sent = message
            known = await self._identity.other_than(known)

    async def _refuse(
        self, context: grpc.aio.ServicerContext[bytes, bytes], result: str, code: grpc.StatusCode, text: str
    ) -> None:
        self._metrics.workload_calls.labels(result).inc()
        log.warning("workload_refused", socket=str(self._config.path), reason=result)
        await context.abort(code, text)


def _svids(identity: X509Identity) -> bytes:
    return svids_response(identity.svid)


def _bundles(identity: X509Identity) -> bytes:
    return bundles_response({identity.trust_domain: b"".join(identity.bundle)})
