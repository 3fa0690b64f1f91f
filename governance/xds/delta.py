"""One client's stream in the incremental form: every response has what changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, cast

from components.xds.pool import message_class
from governance.xds.snapshot import TYPE_URLS, WILDCARD, Kind
from governance.xds.stream import Gate, Reply, Request, check_names, complete, kind_of, refusal_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from governance.xds.snapshot import Resource, Snapshot

MAX_UNANSWERED = 100
"""Responses of a kind that a client may leave unanswered; past it nothing more is sent until it answers one."""


class DeltaRequest(Request, Protocol):
    """envoy.service.discovery.v3.DeltaDiscoveryRequest."""

    resource_names_subscribe: Sequence[str]
    resource_names_unsubscribe: Sequence[str]
    initial_resource_versions: Mapping[str, str]


@dataclass(slots=True)
class _Had:
    """What a client asked for of a kind, and the version of each resource that it was sent last; empty is: none there."""

    wildcard: bool
    names: set[str] = field(default_factory=set)
    sent: dict[str, str] = field(default_factory=dict)
    unanswered: dict[str, tuple[str, Mapping[str, str]]] = field(default_factory=dict)
    refused: bool = False  # the last answer


class DeltaStream:
    """See `governance.xds.stream.Stream`."""

    def __init__(self) -> None:
        self._asked: dict[Kind, _Had] = {}
        self._gate = Gate()
        self._count = 0

    @property
    def held(self) -> bool:
        """Whether routes wait for clusters."""
        return self._gate.held

    def request(self, encoded: bytes, snapshot: Snapshot | None) -> Reply | None:
        """Read a request; what it says of an earlier response.

        Raises:
            ProtocolError: it names too many resources.
        """
        request = cast("DeltaRequest", message_class("envoy.service.discovery.v3.DeltaDiscoveryRequest").FromString(encoded))
        kind = kind_of(request.type_url)
        if kind is None:
            return None
        first = kind not in self._asked
        current = self._asked.setdefault(kind, _Had(kind in WILDCARD and not request.resource_names_subscribe))
        self._subscribe(current, request)
        if first:
            check_names(request.initial_resource_versions)
            check_names(request.initial_resource_versions.values())
            current.sent.update(request.initial_resource_versions)
            if kind is Kind.ENDPOINTS:
                self._gate.has(request.initial_resource_versions)
            resumed = snapshot is not None and bool(current.sent) and not self._changes(kind, current, snapshot)
            return Reply(kind, snapshot.revision) if snapshot is not None and resumed else None
        if request.response_nonce not in current.unanswered:
            return None
        revision, items = current.unanswered.pop(request.response_nonce)
        if refusal := refusal_of(request):
            current.refused = True
            return Reply(kind, revision, refusal)
        current.refused = False
        if kind is Kind.ENDPOINTS:
            self._gate.has(name for name, version in items.items() if version)
        return Reply(kind, revision)

    @staticmethod
    def _subscribe(current: _Had, request: DeltaRequest) -> None:
        for name in request.resource_names_subscribe:
            current.sent.pop(name, None)  # asked for again: to be sent again
        wanted = set(request.resource_names_subscribe)
        current.wildcard |= "*" in wanted
        current.names |= wanted - {"*"}
        check_names(current.names)
        for name in request.resource_names_unsubscribe:
            current.names.discard(name)
            current.sent.pop(name, None)
            current.wildcard &= name != "*"

    def _changes(self, kind: Kind, current: _Had, snapshot: Snapshot) -> dict[str, Resource | None]:
        """What the client lacks; None is for what is no longer, or not, there."""
        there = snapshot[kind].items
        wanted: dict[str, Resource | None] = dict(there) if current.wildcard else {}
        wanted |= {name: there.get(name) for name in current.names}
        wanted |= {name: None for name, version in current.sent.items() if version and name not in wanted}
        return {name: each for name, each in wanted.items() if current.sent.get(name) != (each.version if each else "")}

    def responses(self, snapshot: Snapshot, now: int) -> Sequence[bytes]:
        """What is to be sent now."""
        found = []
        for kind in Kind:
            current = self._asked.get(kind)
            if current is None or len(current.unanswered) >= MAX_UNANSWERED:
                continue
            changes = self._changes(kind, current, snapshot)
            if kind in {Kind.CLUSTER, Kind.ENDPOINTS} and not self._routes_are(snapshot):
                # Routes that the client has may still name what is gone.
                changes = {name: each for name, each in changes.items() if each is not None or not current.sent.get(name)}
            if not changes or (kind is Kind.ROUTES and self._waits(snapshot, now)):
                continue
            if kind is Kind.CLUSTER:
                self._warm(name for name, each in changes.items() if each and current.sent.get(name))
            self._count += 1
            versions = {name: each.version if each else "" for name, each in changes.items()}
            current.sent.update(versions)
            current.unanswered[str(self._count)] = (snapshot.revision, versions)
            found.append(_encode(kind, snapshot.revision, str(self._count), changes))
        return found

    def _warm(self, changed: Iterable[str]) -> None:
        """Send the endpoints of changed clusters again: Envoy waits for them, and in this form of the protocol does not ask."""
        if (endpoints := self._asked.get(Kind.ENDPOINTS)) is not None:
            for name in changed:
                endpoints.sent.pop(name, None)

    def _waits(self, snapshot: Snapshot, now: int) -> bool:
        clusters = self._asked.get(Kind.CLUSTER)
        return clusters is not None and clusters.wildcard and not self._gate.opens(snapshot, now)

    def _routes_are(self, snapshot: Snapshot) -> bool:
        clusters = self._asked.get(Kind.CLUSTER)
        by_name = clusters is None or not clusters.wildcard
        return by_name or Kind.ROUTES not in self._asked or self._has(Kind.ROUTES, snapshot)

    def _has(self, kind: Kind, snapshot: Snapshot) -> bool:
        current = self._asked[kind]
        return not current.unanswered and not current.refused and not self._changes(kind, current, snapshot)

    def settled(self, snapshot: Snapshot) -> bool:
        """Whether the client has acknowledged all of this snapshot that it asked for."""
        return complete(self._asked, snapshot) and all(self._has(kind, snapshot) for kind in self._asked)


def _encode(kind: Kind, revision: str, nonce: str, changes: Mapping[str, Resource | None]) -> bytes:
    url = TYPE_URLS[kind]
    response = message_class("envoy.service.discovery.v3.DeltaDiscoveryResponse")(
        system_version_info=revision,
        type_url=url,
        nonce=nonce,
        resources=[
            {"name": name, "version": each.version, "resource": {"type_url": url, "value": each.body}}
            for name, each in changes.items()
            if each
        ],
        removed_resources=[name for name, each in changes.items() if each is None],
    )
    return response.SerializeToString()
