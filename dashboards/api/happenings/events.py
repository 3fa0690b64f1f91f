"""`GET /api/v1/events`: server-sent events that say when data, alerts or incidents have changed.

One look at the store serves all who listen; nobody looks while nobody listens. The console asks again for what an event
concerns, and polls only while it has no stream.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from dashboards.api.happenings.freshness import freshness
from dashboards.read_models.alerts import is_open
from dashboards.read_models.reader import within
from stores.store import Aggregation, BusyError, Query
from telemetry.documents import Kind
from telemetry.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from dashboards.read_models.reader import Reader
    from telemetry.json_object import JsonObject

log = structlog.get_logger(__name__)

MAX_LISTENERS = 100
"""Beyond it one more is refused: a browser has one for all of its pages."""

MAX_WAITING = 32
"""Events that wait for a slow listener: past it, it is let go and connects again."""

EVERY = 5.0
"""Seconds between two looks at the store."""

HEARTBEAT = 15.0
"""Seconds without an event after which `heartbeat` is sent: proxies keep the connection, and a browser, which cannot see
comments, knows that it is alive."""

LONGEST = 900.0
"""Seconds of a connection: after it the browser connects again, and its rights are checked anew."""


@dataclass(slots=True, eq=False)
class _Listener:
    environment: str
    waiting: asyncio.Queue[bytes] = field(default_factory=lambda: asyncio.Queue(MAX_WAITING))
    gone: bool = False


class Events:
    """Tells listeners what has changed.

    Args:
        reader: reads the store.
        now: nanoseconds since the epoch.
        registry: counts listeners.
        every: seconds between two looks.
        heartbeat: seconds after which silence is broken.
        changed: called with `alerts` or `incidents` before the listeners hear of a change, so that they get no older answer.
    """

    def __init__(
        self,
        reader: Reader,
        now: Callable[[], int],
        registry: CollectorRegistry | None = None,
        every: float = EVERY,
        heartbeat: float = HEARTBEAT,
        changed: Callable[[str], None] = lambda _name: None,
    ) -> None:
        registry = registry or CollectorRegistry()
        self._reader, self._now, self._every, self._heartbeat, self._changed = reader, now, every, heartbeat, changed
        self._listeners: set[_Listener] = set()
        self._looking: asyncio.Task[None] | None = None
        gauge = Gauge("spanloom_console_listeners", "Open event streams of browsers", registry=registry)
        gauge.set_function(lambda: len(self._listeners))
        self._refused = Counter(
            "spanloom_console_listeners_refused", "Event streams refused because too many were open", registry=registry
        )
        self._let_go = Counter(
            "spanloom_console_listeners_let_go", "Event streams closed because the browser read too slowly", registry=registry
        )

    def listen(self, environment: str) -> AsyncIterator[bytes]:
        """Events of an environment, or of all, until the listener goes or its time is over.

        Raises:
            BusyError: too many listen already.
        """
        if len(self._listeners) >= MAX_LISTENERS:
            self._refused.inc()
            raise BusyError(f"{MAX_LISTENERS} listen already: try again later")
        return self._events(_Listener(environment))

    async def _events(self, listener: _Listener) -> AsyncIterator[bytes]:
        # Listens from the first event asked for on: what is never iterated is never closed either.
        self._listeners.add(listener)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(), name="events")
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(LONGEST):
                    while not listener.gone:
                        try:
                            async with asyncio.timeout(self._heartbeat):
                                event = await listener.waiting.get()
                        except TimeoutError:
                            event = _event("heartbeat", {})
                        yield event
            yield _event("bye", {})
        finally:
            self._listeners.discard(listener)

    async def _look(self) -> None:
        """Look while somebody listens."""
        known: dict[str, dict[str, object]] = {}
        marks: dict[tuple[str, str], tuple[int, int]] = {}
        told: dict[_Listener, dict[str, object]] = {}
        while self._listeners:
            environments = {listener.environment for listener in self._listeners}
            known = {environment: known.get(environment, {}) for environment in environments}
            for environment in environments:
                try:
                    await self._changes(environment, known[environment], marks)
                except StoreError as error:
                    log.debug("events_unreadable", reason=str(error))  # every page that reads says why by itself
                    known[environment]["store"] = {"readable": False}
            told = {listener: told.get(listener, {}) for listener in self._listeners}
            for listener, before in told.items():
                self._tell(listener, before, known.get(listener.environment, {}))
            await asyncio.sleep(self._every)

    def _tell(self, listener: _Listener, before: dict[str, object], now: dict[str, object]) -> None:
        for name, data in now.items():
            if before.get(name) != data:
                before[name] = data
                try:
                    listener.waiting.put_nowait(_event(name, data))
                except asyncio.QueueFull:
                    listener.gone = True
                    self._let_go.inc()
                    return

    async def _changes(self, environment: str, known: dict[str, object], marks: dict[tuple[str, str], tuple[int, int]]) -> None:
        """What is to be said now. Alerts and incidents are read only where there is a new document about them."""
        reads = self._reader.reads
        fresh = await freshness(reads, environment, self._now())
        known["freshness"] = {
            "newest": fresh.newest,
            "signals": [{"signal": one.signal, "newest": one.newest} for one in fresh.signals],
        }
        own = within(environment)
        for queries, name, read in (
            ((Query(Kind.ALERT, own), Query(Kind.NOTIFICATION, own)), "alerts", self._alerts),
            # An acknowledgement is on the audit trail only; so are changes for all environments, in one of them.
            ((Query(Kind.INCIDENT, own), Query(Kind.AUDIT)), "incidents", self._incidents),
        ):
            found = [group for query in queries for group in await reads.totals(Aggregation(query))]
            mark = sum(group.documents for group in found), max((group.newest for group in found), default=0)
            if marks.get((environment, name)) != mark:
                known[name] = await read(environment) | {"documents": mark[0], "changed": mark[1]}
                marks[environment, name] = mark
                self._changed(name)
        known["store"] = {"readable": True}

    async def _alerts(self, environment: str) -> JsonObject:
        standing = [alert for alert in await self._reader.alerts(environment) if is_open(alert)]
        firing = sum(alert["state"] == "firing" for alert in standing)
        return {"firing": firing, "pending": len(standing) - firing}

    async def _incidents(self, environment: str) -> JsonObject:
        found = await self._reader.incidents(environment)
        going_on = [one["id"] for one in found if one["state"] not in {"closed", "escalated"}]
        return {"open": len(going_on), "ids": going_on[:100]}


def _event(name: str, data: object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps(data))
