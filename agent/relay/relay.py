"""Serves Envoy over a unix socket and subscribes at the control plane to what Envoy asks for.

An answer of the centre is offered to Envoy. When Envoy accepts it, it becomes the last good, goes to disk, and the centre
learns of it; when Envoy refuses it, Envoy keeps what it had and the centre learns why. While the centre is away, a new Envoy
gets the last good. Faults end at their time by themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING

import grpc
import grpc.aio
import structlog

from agent.relay.limits import LimitRelay
from agent.relay.messages import ADS, RUNTIME, STREAM, TYPES, WHOLE, Request, Response
from agent.relay.session import Session
from agent.relay.snapshots import Accepted, Snapshots
from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from agent.metrics import AgentMetrics
    from agent.relay.last_good import LastGood
    from agent.relay.upstream import Upstream

log = structlog.get_logger(__name__)

MAX_SESSIONS = 8
"""Streams of Envoys at a time: one, two while one hands over to the next, and those that a kill left behind for a moment."""

MAX_STREAMS = 1000
"""Of HTTP/2, on a connection of Envoy: sessions, and questions about limits."""

SAVE_SECONDS = 0.2
"""Least time between two snapshots on disk."""

MAX_REASON = 500
"""Characters of Envoy's reason in the log; what matters stands at its end."""


class Relay:
    """One Envoy's side of the control plane.

    Args:
        socket: where Envoy connects.
        group: id of the group that may connect, None for the owner alone.
        last_good: the snapshot on disk.
        upstream: the control plane; None if there is none.
        observe: see Snapshots.
        now: nanoseconds since the epoch.
        metrics: what is counted.
    """

    def __init__(
        self,
        socket: Path,
        group: int | None,
        last_good: LastGood,
        upstream: Upstream | None,
        observe: Callable[[bytes], bytes],
        now: Callable[[], int],
        metrics: AgentMetrics,
    ) -> None:
        self._socket, self._group = socket, group
        self._last_good, self._upstream = last_good, upstream
        self._now, self._metrics = now, metrics
        self._snapshots = Snapshots(last_good.read() if upstream else {}, observe)
        self._sessions: list[Session] = []
        self._lost: list[Response] = []  # offers that the stream which ended last had not answered
        self._server: grpc.aio.Server | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._saver: asyncio.Task[None] | None = None
        self._unsaved, self._stopping = asyncio.Event(), asyncio.Event()
        self._ends_changed = asyncio.Event()

    async def start(self) -> None:
        """Listen, and connect to the control plane."""
        server = grpc.aio.server(options=(("grpc.max_concurrent_streams", MAX_STREAMS),))
        handler = grpc.stream_stream_rpc_method_handler(self._serve)
        ads = grpc.method_handlers_generic_handler(ADS, {STREAM: handler})
        server.add_generic_rpc_handlers((ads, LimitRelay(self._upstream, self._metrics).handler()))
        server.add_insecure_port(f"unix:{self._socket}")
        await server.start()
        self._server = server
        if self._group is not None:
            os.chown(self._socket, -1, self._group)
        self._socket.chmod(0o600 if self._group is None else 0o660)
        self._saver = asyncio.create_task(self._save())
        self._tasks = [asyncio.create_task(self._end_faults())]
        if self._upstream is not None:
            self._tasks.append(asyncio.create_task(self._upstream.run(self._offered)))

    async def run(self) -> None:
        """Return when it is stopped.

        Raises:
            RuntimeError: a part of its work has ended by itself: what the control plane sends would no longer arrive.
        """
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        if self._tasks:
            ended = done.pop()
            raise RuntimeError("the relay has stopped working") from (None if ended.cancelled() else ended.exception())

    async def stop(self) -> None:
        """End all streams. Safe before start and twice."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        server, self._server = self._server, None
        if server is not None:
            await server.stop(0)
        saver, self._saver = self._saver, None
        if saver is not None:  # it is not cancelled: a thread of its may be writing, and what came last is to be on disk
            self._stopping.set()
            self._unsaved.set()
            await saver

    def set_own(self, resources: Mapping[str, Mapping[str, bytes]]) -> None:
        """Replace the agent's own resources; Envoy gets what changed."""
        self._snapshots.set_own(resources)
        for type_url in TYPES:
            self._push(type_url)
        self._ends_changed.set()

    def keep_to_own_secrets(self, *names: str) -> None:
        """Secrets of these names are this agent's own, before they are there, too: the control plane's are never used."""
        self._snapshots.own_secrets = frozenset(names)

    def envoy_crashed(self) -> None:
        """Refuse what Envoy was given and had not answered when it ended by itself: another start must not end the same way."""
        lost, self._lost = self._lost, []
        for offer in [*lost, *(offer for session in self._sessions for offer in session.unanswered())]:
            self._refused(offer, "Envoy ended while it applied this")

    @property
    def connected(self) -> bool:
        """Whether the control plane's stream is open."""
        return self._upstream is not None and self._upstream.connected

    @property
    def versions(self) -> dict[str, str]:
        """The centre's version that Envoy has, by type."""
        return {type_url.rpartition(".")[2]: one.version for type_url, one in self._snapshots.accepted.items()}

    async def _serve(self, requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        if len(self._sessions) >= MAX_SESSIONS:
            self._metrics.sessions_refused.inc()
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, f"{MAX_SESSIONS} streams are open")
        session = Session()
        self._sessions.append(session)
        writer = asyncio.create_task(_write(session, context))
        try:
            async for data in requests:
                self._requested(session, Request.decode(data))
        except InputError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        finally:
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError, grpc.aio.BaseError):
                await writer
            self._sessions.remove(session)
            self._lost = session.unanswered()

    def _requested(self, session: Session, request: Request) -> None:
        if self._upstream is not None and request.node:
            self._upstream.node = request.node
        type_url = request.type_url
        if type_url not in TYPES:
            return
        reply = session.read(request)
        if reply.first_answer is not None:
            self._answered(type_url, reply.first_answer.answer.offer, request.error)
        if reply.wants_answer:
            self._push(type_url, only=session, again=True)
        if self._upstream is not None and session is self._sessions[-1]:
            names = session.names[type_url]
            wanted = None if names is None else names - set(self._snapshots.own_only(type_url))
            again = reply.wants_answer and bool(request.nonce) and session.incomplete(type_url)
            self._upstream.subscribe(type_url, wanted, self._snapshots.version(type_url), again=again)

    def _answered(self, type_url: str, offer: Response | None, error: str) -> None:
        if offer is not None and error:
            self._refused(offer, error)
        elif offer is not None:
            if self._snapshots.accept(offer):
                self._metrics.responses.labels("accepted").inc()
                self._unsaved.set()
                self._ends_changed.set()
                self._say_accepted(offer)
        elif error:
            self._metrics.own_refused.inc()
            log.error("own_resources_refused", type=type_url, reason=error[-MAX_REASON:])

    def _refused(self, offer: Response, reason: str) -> None:
        if self._snapshots.refuse(offer):
            self._metrics.responses.labels("refused").inc()
            log.error("snapshot_refused", type=offer.type_url, version=offer.version, reason=reason[-MAX_REASON:])
            if self._upstream is not None:
                self._upstream.refuse(offer, reason)

    def _say_accepted(self, response: Response) -> None:
        if self._upstream is not None:
            self._upstream.accept(response)

    def _offered(self, response: Response) -> None:
        """What the control plane sent."""
        type_url = response.type_url
        newest = self._sessions[-1] if self._sessions else None
        if type_url not in TYPES or not self._snapshots.offer(response, newest.names.get(type_url) if newest else None):
            self._metrics.responses.labels("unchanged").inc()
            self._say_accepted(response)
            self._unsaved.set()
            return
        self._ends_changed.set()
        self._push(type_url)

    def _push(self, type_url: str, *, only: Session | None = None, again: bool = False) -> None:
        for session in [only] if only is not None else self._sessions:
            if type_url not in session.names:
                continue
            answer = self._snapshots.answer(type_url, session.names[type_url], self._now())
            if not again and session.has(type_url, answer):
                continue
            # Envoy would go on without what an empty answer leaves out; without an answer it waits.
            if answer.resources or answer.known or (type_url in WHOLE and self._upstream is None):
                session.send(type_url, answer)

    async def _end_faults(self) -> None:
        """Push the runtime when the next fault ends. The clock is read once a second, as it may be set."""
        last = self._now()
        while True:
            end = self._snapshots.next_end(last)
            wait = None if end is None else min(max((end - self._now()) / 1e9, 0.0), 1.0)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ends_changed.wait(), wait)
            self._ends_changed.clear()
            now = self._now()
            if end is not None and end <= now:
                self._metrics.faults_ended.inc()
                log.info("fault_ended", version=self._snapshots.version(RUNTIME))
                self._push(RUNTIME)
            last = now

    async def _save(self) -> None:
        """Write what was accepted, and what came while it was written after a moment, until `stop`."""
        while not self._stopping.is_set():
            await self._unsaved.wait()
            self._unsaved.clear()
            await asyncio.to_thread(self._write, dict(self._snapshots.accepted))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), SAVE_SECONDS)
        if self._unsaved.is_set():
            await asyncio.to_thread(self._write, dict(self._snapshots.accepted))

    def _write(self, accepted: Mapping[str, Accepted]) -> None:
        if self._upstream is None:
            return
        try:
            self._last_good.write(accepted)
        except (OSError, InputError) as error:
            self._metrics.last_good_failures.inc()
            log.warning("last_good_not_written", reason=str(error))


async def _write(session: Session, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
    while True:
        for response in await session.outgoing():
            await context.write(response.encode())
