"""All that one agent is to have: resources of every kind, each kind with the version of its content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from components.xds.contract import RUNTIME_LAYER
from components.xds.pool import TYPE_PREFIX, message_class, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from telemetry.json_object import JsonObject

MAX_ANSWERS = 64
"""Answers of one kind that are kept encoded, for agents that ask for the same names; past it the oldest goes."""


class Kind(StrEnum):
    """A kind of resources, in the order in which changes are sent: what is named before what names it."""

    CLUSTER = "cds"
    ENDPOINTS = "eds"
    SECRET = "sds"  # noqa: S105 - a kind
    LISTENER = "lds"
    ROUTES = "rds"
    RUNTIME = "rtds"


MESSAGES = {
    Kind.CLUSTER: "envoy.config.cluster.v3.Cluster",
    Kind.ENDPOINTS: "envoy.config.endpoint.v3.ClusterLoadAssignment",
    Kind.SECRET: "envoy.extensions.transport_sockets.tls.v3.Secret",
    Kind.LISTENER: "envoy.config.listener.v3.Listener",
    Kind.ROUTES: "envoy.config.route.v3.RouteConfiguration",
    Kind.RUNTIME: "envoy.service.runtime.v3.Runtime",
}
TYPE_URLS = {kind: TYPE_PREFIX + name for kind, name in MESSAGES.items()}
KIND_OF_URL = {url: kind for kind, url in TYPE_URLS.items()}
WILDCARD = frozenset({Kind.CLUSTER, Kind.LISTENER})
"""Kinds of which a client that names none gets all."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One encoded resource; the version is a hash of its content."""

    version: str
    body: bytes


@dataclass(frozen=True, slots=True)
class StateOfKind:
    """What a state-of-the-world client that asked for some names is to have of a kind."""

    version: str
    items: Mapping[str, Resource]
    encoded: bytes
    """A DiscoveryResponse that lacks its nonce alone, which may be appended."""


class Resources:
    """All resources of one kind at one revision."""

    def __init__(self, kind: Kind, revision: str, items: Mapping[str, Resource]) -> None:
        self.kind, self.revision, self.items = kind, revision, dict(sorted(items.items()))
        self._answers: dict[tuple[str, ...], StateOfKind] = {}

    def answer(self, names: Iterable[str] | None, besides: Mapping[str, Resource] | None = None) -> StateOfKind:
        """What is there of these names, or all for None, and what is still to be kept beside it."""
        chosen = self.items if names is None else {name: self.items[name] for name in sorted(names) if name in self.items}
        if besides:
            return self._encode({**chosen, **besides})
        key = tuple(chosen)
        if (found := self._answers.get(key)) is None:
            if len(self._answers) >= MAX_ANSWERS:
                del self._answers[next(iter(self._answers))]
            found = self._answers[key] = self._encode(chosen)
        return found

    def _encode(self, chosen: Mapping[str, Resource]) -> StateOfKind:
        version = _hash("\n".join(f"{name} {each.version}" for name, each in sorted(chosen.items())).encode())
        url = TYPE_URLS[self.kind]
        packed = [{"type_url": url, "value": each.body} for each in chosen.values()]
        response = message_class("envoy.service.discovery.v3.DiscoveryResponse")(
            version_info=f"{self.revision}.{version}", type_url=url, resources=packed
        )
        return StateOfKind(version, chosen, response.SerializeToString())


class Snapshot:
    """All resources at one revision. Two snapshots may share what they have in common.

    Attributes:
        revision: which revision of the policies it was compiled from; it has no dot.
    """

    def __init__(self, revision: str, kinds: Mapping[Kind, Resources]) -> None:
        self.revision = revision
        self._kinds = {kind: kinds.get(kind) or Resources(kind, revision, {}) for kind in Kind}

    def __getitem__(self, kind: Kind) -> Resources:
        """The resources of a kind, which may be none."""
        return self._kinds[kind]

    def with_resources(self, kind: Kind, items: Mapping[str, Resource]) -> Snapshot:
        """The same but for one kind: an agent's own secrets, say."""
        return Snapshot(self.revision, {**self._kinds, kind: Resources(kind, self.revision, items)})


def snapshot_of(revision: str, written: Mapping[Kind, Iterable[JsonObject]]) -> Snapshot:
    """A snapshot out of resources as JSON. The runtime layer is always there: Envoy waits for it at its start.

    Raises:
        InputError: one of them is no such resource.
    """
    kinds = {kind: Resources(kind, revision, encode(kind, items)) for kind, items in written.items()}
    if not kinds.get(Kind.RUNTIME):
        empty = encode(Kind.RUNTIME, [{"name": RUNTIME_LAYER, "layer": {}}])
        kinds[Kind.RUNTIME] = Resources(Kind.RUNTIME, revision, empty)
    return Snapshot(revision, kinds)


def encode(kind: Kind, items: Iterable[JsonObject]) -> dict[str, Resource]:
    """Resources by name.

    Raises:
        InputError: one of them is no such resource.
    """
    found = {}
    for item in items:
        body = parse(MESSAGES[kind], item).SerializeToString(deterministic=True)
        found[item["cluster_name" if kind is Kind.ENDPOINTS else "name"]] = Resource(_hash(body), body)
    return found


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
