"""One client's stream in the form that sends the state of the world: every response has all that a kind has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, cast

from components.xds.pool import message_class
from governance.xds.snapshot import WILDCARD, Kind, Resource
from governance.xds.stream import Gate, Reply, Request, check_names, complete, kind_of, refusal_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from governance.xds.snapshot import Snapshot

_NONCE = b"\x2a"
"""Key of the field `nonce` of a DiscoveryResponse: number 5, of bytes. Appended fields of a message belong to it."""


class DiscoveryRequest(Request, Protocol):
    """envoy.service.discovery.v3.DiscoveryRequest."""

    version_info: str
    resource_names: Sequence[str]


@dataclass(slots=True)
class _Asked:
    """What a client asked for of a kind, and was sent. `version` is empty before the first response."""

    names: frozenset[str] | None
    named: bool = False  # whether it ever named some: then an empty list is none of them, not all
    nonce: str = ""
    version: str = ""
    revision: str = ""
    items: Mapping[str, Resource] = field(default_factory=dict)
    answered: bool = True  # whether the client has answered the last response
    acknowledged: bool = False  # with yes
    again: bool = False  # it asked for the same once more: something of it warms, and waits for an answer


class SotwStream:
    """See `governance.xds.stream.Stream`."""

    def __init__(self) -> None:
        self._asked: dict[Kind, _Asked] = {}
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
        request = cast("DiscoveryRequest", message_class("envoy.service.discovery.v3.DiscoveryRequest").FromString(encoded))
        kind = kind_of(request.type_url)
        if kind is None:
            return None
        check_names(request.resource_names)
        current = self._asked.get(kind)
        if current is None:
            current = self._asked[kind] = _Asked(None)
            self._subscribe(kind, current, request)
            return self._resumed(kind, current, request, snapshot)
        if request.response_nonce != current.nonce:
            return None  # of a response that a later one has overtaken: the answer to that one says all
        before = current.names
        self._subscribe(kind, current, request)
        if current.answered:
            current.again = True  # one nonce twice, names changed or not: what was changed warms until it is answered
            return None
        current.answered = True
        current.again = current.names != before
        if refusal := refusal_of(request):
            return Reply(kind, current.revision, refusal)
        current.acknowledged = True
        if kind is Kind.ENDPOINTS:
            self._gate.has(current.items)
        return Reply(kind, current.revision)

    @staticmethod
    def _subscribe(kind: Kind, current: _Asked, request: DiscoveryRequest) -> None:
        names = frozenset(request.resource_names)
        current.named |= bool(names)
        current.names = None if kind in WILDCARD and ("*" in names or not current.named) else names

    def _resumed(self, kind: Kind, current: _Asked, request: DiscoveryRequest, snapshot: Snapshot | None) -> Reply | None:
        """A client that comes back with what it is to have is sent nothing: a restart of ours makes no storm."""
        if snapshot is None or not request.version_info:
            return None
        answer = snapshot[kind].answer(current.names)
        if request.version_info.rpartition(".")[2] != answer.version:
            return None
        current.version, current.items, current.acknowledged = answer.version, answer.items, True
        current.revision = snapshot.revision
        if kind is Kind.ENDPOINTS:
            self._gate.has(answer.items)
        return Reply(kind, snapshot.revision)

    def responses(self, snapshot: Snapshot, now: int) -> Sequence[bytes]:
        """What is to be sent now."""
        found = []
        for kind, current in self._asked.items():
            if current.names == frozenset() and kind in WILDCARD:
                continue
            answer = snapshot[kind].answer(current.names, self._leaving(snapshot) if kind is Kind.CLUSTER else None)
            if answer.version == current.version and not current.again:
                continue
            if kind is Kind.ROUTES and self._waits(snapshot, now):
                continue
            self._count += 1
            current.nonce, current.version, current.items = str(self._count), answer.version, answer.items
            current.revision, current.answered, current.acknowledged, current.again = snapshot.revision, False, False, False
            nonce = current.nonce.encode()
            found.append((list(Kind).index(kind), answer.encoded + _NONCE + bytes([len(nonce)]) + nonce))
        return [encoded for _, encoded in sorted(found)]

    def _leaving(self, snapshot: Snapshot) -> Mapping[str, Resource]:
        """Clusters that the client has, and that routes which it has may still name."""
        clusters, routes = self._asked[Kind.CLUSTER], self._asked.get(Kind.ROUTES)
        if clusters.names is not None or routes is None or self._has(Kind.ROUTES, snapshot):
            return {}
        kept = snapshot[Kind.CLUSTER].items
        return {name: each for name, each in clusters.items.items() if name not in kept}

    def _waits(self, snapshot: Snapshot, now: int) -> bool:
        clusters = self._asked.get(Kind.CLUSTER)
        return clusters is not None and clusters.names is None and not self._gate.opens(snapshot, now)

    def _has(self, kind: Kind, snapshot: Snapshot) -> bool:
        current = self._asked[kind]
        return current.acknowledged and current.version == snapshot[kind].answer(current.names).version

    def settled(self, snapshot: Snapshot) -> bool:
        """Whether the client has acknowledged all of this snapshot that it asked for."""
        return complete(self._asked, snapshot) and all(
            self._has(kind, snapshot) for kind, each in self._asked.items() if each.names != frozenset()
        )
