"""A client of either form of the protocol that behaves as Envoy does: it asks for what what it has names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from components.xds.pool import message_class, to_dict
from governance.xds.delta import DeltaStream
from governance.xds.snapshot import MESSAGES, TYPE_URLS, Kind
from governance.xds.sotw import SotwStream

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from governance.xds.snapshot import Snapshot
    from governance.xds.stream import Reply, Stream
    from telemetry.json_object import JsonObject

DISCOVERY = "envoy.service.discovery.v3."
_ORDER = (Kind.CLUSTER, Kind.ENDPOINTS, Kind.LISTENER, Kind.ROUTES, Kind.RUNTIME)


def message(name: str, **fields: object) -> Message:
    return message_class(DISCOVERY + name)(**fields)


def decoded(kind: Kind, body: bytes) -> JsonObject:
    return to_dict(message_class(MESSAGES[kind]).FromString(body))


class Client(Protocol):
    have: dict[Kind, dict[str, bytes]]
    refuses: str

    def connect(self, snapshot: Snapshot | None) -> None: ...
    def receive(self, response: bytes) -> None: ...
    def answer(self, snapshot: Snapshot) -> list[Reply]: ...


class _Envoy:
    """What both have in common: `refuses` is part of the name of resources that it will not have."""

    def __init__(self) -> None:
        self.have: dict[Kind, dict[str, bytes]] = {kind: {} for kind in Kind}
        self.refuses = "never"
        self.broken: list[str] = []
        self.received = 0

    def wants(self, kind: Kind) -> set[str] | None:
        if kind in {Kind.CLUSTER, Kind.LISTENER}:
            return None
        if kind is Kind.ENDPOINTS:
            return set(self.have[Kind.CLUSTER])
        if kind is Kind.ROUTES:
            return set(self.have[Kind.LISTENER])
        return {"spanloom"} if kind is Kind.RUNTIME else set()

    def note(self) -> None:
        """Routes that name what cannot be served break requests."""
        for body in self.have[Kind.ROUTES].values():
            for host in decoded(Kind.ROUTES, body).get("virtual_hosts", ()):
                for route in host.get("routes", ()):
                    cluster = route["route"]["cluster"]
                    if cluster not in self.have[Kind.CLUSTER] or cluster not in self.have[Kind.ENDPOINTS]:
                        self.broken.append(cluster)


class SotwClient(_Envoy):
    def __init__(self) -> None:
        super().__init__()
        self.versions: dict[Kind, str] = {}

    def connect(self, snapshot: Snapshot | None) -> list[Reply]:
        self.stream: Stream = SotwStream()
        self.nonces: dict[Kind, str] = {}
        self.asked: dict[Kind, set[str] | None] = {}
        self.queue: list[tuple[Kind, str, str]] = []
        return self.ask(snapshot)

    def ask(self, snapshot: Snapshot | None) -> list[Reply]:
        """Ask for what is newly named."""
        found = []
        for kind in _ORDER:
            names = self.wants(kind)
            if names == set() and kind not in self.asked:
                continue
            if kind not in self.asked or self.asked[kind] != names:
                found.append(self.send(kind, snapshot))
        return [each for each in found if each]

    def send(self, kind: Kind, snapshot: Snapshot | None, refusal: str = "") -> Reply | None:
        names = self.asked[kind] = self.wants(kind)
        fields: dict[str, object] = {"type_url": TYPE_URLS[kind], "resource_names": sorted(names or ())}
        fields |= {"version_info": self.versions.get(kind, ""), "response_nonce": self.nonces.get(kind, "")}
        request = message("DiscoveryRequest", **fields)
        if refusal:
            request.error_detail.message = refusal  # type: ignore[attr-defined]
        return self.stream.request(request.SerializeToString(), snapshot)

    def receive(self, response: bytes) -> None:
        self.received += 1
        read = message("DiscoveryResponse")
        read.ParseFromString(response)
        kind = next(kind for kind, url in TYPE_URLS.items() if url == read.type_url)  # type: ignore[attr-defined]
        self.nonces[kind] = read.nonce  # type: ignore[attr-defined]
        items = {name_of(kind, each.value): each.value for each in read.resources}  # type: ignore[attr-defined]
        bad = [name for name, body in items.items() if self.refuses in decoded_text(kind, body)]
        if not bad:
            if kind is Kind.CLUSTER:
                self.have[Kind.ENDPOINTS] = {k: v for k, v in self.have[Kind.ENDPOINTS].items() if k in items}
            self.have[kind] = {**(self.have[kind] if kind in {Kind.ENDPOINTS, Kind.ROUTES} else {}), **items}
            self.versions[kind] = read.version_info  # type: ignore[attr-defined]
        self.queue.append((kind, self.nonces[kind], f"{bad[0]} is wrong" if bad else ""))
        self.note()

    def answer(self, snapshot: Snapshot) -> list[Reply]:
        found = []
        queue, self.queue = self.queue, []
        for kind, _, refusal in queue:
            found.append(self.send(kind, snapshot, refusal))
        return [each for each in found if each] + self.ask(snapshot)


class DeltaClient(_Envoy):
    def __init__(self) -> None:
        super().__init__()
        self.versions: dict[Kind, dict[str, str]] = {kind: {} for kind in Kind}

    def connect(self, snapshot: Snapshot | None) -> list[Reply]:
        self.stream: Stream = DeltaStream()
        self.asked: dict[Kind, set[str] | None] = {}
        self.queue: list[tuple[Kind, str, str]] = []
        return self.ask(snapshot)

    def ask(self, snapshot: Snapshot | None) -> list[Reply]:
        found = []
        for kind in _ORDER:
            names = self.wants(kind)
            if names == set() and kind not in self.asked:
                continue
            fields: dict[str, object] = {"type_url": TYPE_URLS[kind]}
            if kind not in self.asked:
                fields |= {"resource_names_subscribe": sorted(names or ()), "initial_resource_versions": self.versions[kind]}
            elif names != (before := self.asked[kind]) and names is not None and before is not None:
                gone = before - names
                fields |= {"resource_names_subscribe": sorted(names - before), "resource_names_unsubscribe": sorted(gone)}
                for name in gone:
                    self.versions[kind].pop(name, None)
            else:
                continue
            self.asked[kind] = names
            found.append(self.stream.request(message("DeltaDiscoveryRequest", **fields).SerializeToString(), snapshot))
        return [each for each in found if each]

    def receive(self, response: bytes) -> None:
        self.received += 1
        read = message("DeltaDiscoveryResponse")
        read.ParseFromString(response)
        kind = next(kind for kind, url in TYPE_URLS.items() if url == read.type_url)  # type: ignore[attr-defined]
        items = {each.name: each for each in read.resources}  # type: ignore[attr-defined]
        bad = [name for name, each in items.items() if self.refuses in decoded_text(kind, each.resource.value)]
        if not bad:
            self.have[kind] |= {name: each.resource.value for name, each in items.items()}
            self.versions[kind] |= {name: each.version for name, each in items.items()}
            for name in read.removed_resources:  # type: ignore[attr-defined]
                self.have[kind].pop(name, None)
                self.versions[kind].pop(name, None)
                if kind is Kind.CLUSTER:
                    self.have[Kind.ENDPOINTS].pop(name, None)
        self.queue.append((kind, read.nonce, f"{bad[0]} is wrong" if bad else ""))  # type: ignore[attr-defined]
        self.note()

    def answer(self, snapshot: Snapshot) -> list[Reply]:
        found = []
        queue, self.queue = self.queue, []
        for kind, nonce, refusal in queue:
            request = message("DeltaDiscoveryRequest", type_url=TYPE_URLS[kind], response_nonce=nonce)
            if refusal:
                request.error_detail.message = refusal  # type: ignore[attr-defined]
            found.append(self.stream.request(request.SerializeToString(), snapshot))
        return [each for each in found if each] + self.ask(snapshot)


def name_of(kind: Kind, body: bytes) -> str:
    found: str = decoded(kind, body)["cluster_name" if kind is Kind.ENDPOINTS else "name"]
    return found


def decoded_text(kind: Kind, body: bytes) -> str:
    return str(decoded(kind, body))
