"""Calls out of the access logs of governed Envoys, as the store has them: what a release is compared by."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

import structlog

from components.durations import SECOND
from governance.waves.comparing import CallBuffer, ObservedCall
from stores.layout import SERVICE
from stores.store import Equals, Query
from telemetry.documents import Kind
from telemetry.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from governance.control import ControlPlane
    from stores.store import Store
    from telemetry.json_object import JsonObject

log = structlog.get_logger(__name__)

EVERY_SECONDS = 2.0
BEFORE = 300 * SECOND
"""How long before a release the calls are from that say what is usual."""
OVERLAP = 30 * SECOND
"""How late a record may be stored and still be read."""
MAX_SERVICES, MAX_RECORDS = 50, 5000
"""Services whose Envoys are read, and records of each in one reading: beyond it there is a sample, the newest."""
FAILED = range(500, 600)


class _Watched(NamedTuple):
    """A release or a step of a delivery that calls are read for."""

    key: str
    since: int
    buffer: CallBuffer


class ObservedCalls:
    """Reads while a revision or a delivery is on its way."""

    def __init__(self, plane: ControlPlane, store: Store, buffer: CallBuffer) -> None:
        self._plane, self._store, self._buffer = plane, store, buffer
        self._seen: dict[str, dict[str, int]] = {}

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            try:
                await self.read()
            except StoreError as error:
                log.warning("calls_unread", reason=str(error), hint="releases are judged by alerts meanwhile")
            await asyncio.sleep(EVERY_SECONDS)

    def _watched(self) -> list[_Watched]:
        found = [_Watched(each.key, each.since, each.buffer) for each in self._plane.deliveries.watches()]
        if (rollout := self._plane.rollout) is not None and not rollout.ended:
            found.append(_Watched(f"revision {rollout.revision}", rollout.since, self._buffer))
        return found

    async def read(self) -> None:
        """Read once, for all that is watched."""
        watched = self._watched()
        self._seen = {each.key: self._seen[each.key] for each in watched if each.key in self._seen}
        for each in watched:
            if each.key not in self._seen:
                before = await self._find(each.since - BEFORE, each.since)
                each.buffer.begin(each.key.removeprefix("revision "), calls_of(before))
                self._seen[each.key] = {}
        if not watched:
            return
        begins = {each.key: self._begin(each) for each in watched}
        found = await self._find(min(begins.values()), None)
        for each in watched:
            seen, since = self._seen[each.key], begins[each.key]
            new = [body for body in found if body["@timestamp"] >= since and body["_id"] not in seen]
            seen.update((body["_id"], body["@timestamp"]) for body in new)
            self._seen[each.key] = {key: time for key, time in seen.items() if time >= since}
            each.buffer.add(calls_of(new))

    def _begin(self, watched: _Watched) -> int:
        newest = max(self._seen[watched.key].values(), default=watched.since)
        return max(watched.since, newest - OVERLAP)

    async def _find(self, since: int, until: int | None) -> list[JsonObject]:
        services = sorted({each.site.service for each in self._plane.fleet.agents if each.connected})[:MAX_SERVICES]
        found: list[JsonObject] = []
        for service in services:
            where = [Equals(SERVICE, service.rpartition("/")[2])]
            query = Query(Kind.LOG, where, since, until, descending=True, limit=MAX_RECORDS)
            found += await self._store.find(query)
        return found


def _is_access_log(body: JsonObject) -> bool:
    return "envoy.upstream_cluster" in body.get("attributes", {})


def _call(body: JsonObject) -> ObservedCall:
    attributes, resource = body["attributes"], body["resource"]["attributes"]
    name, namespace = str(resource.get("service.name", "")), str(resource.get("service.namespace", ""))
    return ObservedCall(
        body["@timestamp"],
        str(resource.get("service.instance.id", "")),
        f"{namespace}/{name}" if namespace else name,
        str(attributes["envoy.upstream_cluster"]),
        _number(attributes.get("http.response.status_code")) in FAILED,
        _number(attributes.get("envoy.duration_ms")),
    )


def _number(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return 0.0


def calls_of(bodies: Iterable[JsonObject]) -> list[ObservedCall]:
    """Calls of the records that are of an Envoy's access log."""
    return [_call(each) for each in bodies if _is_access_log(each)]
