"""What both forms of the protocol have in common: what a client answered, and when what names others may be sent.

A stream is a state machine without I/O: `request` reads what the client sent, `responses` returns what is to be sent
now. The rules keep every request of users answered while configuration changes:

- Routes wait until the client has the endpoints of every cluster that they may name (at most `HOLD`), for a route to
  a cluster that is still warming is answered 503.
- A removed cluster stays until the client has acknowledged the routes that no longer name it.
- What a client refused is not sent to it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from components.durations import SECOND
from components.xds.pool import TYPE_PREFIX
from governance.xds.snapshot import KIND_OF_URL, Kind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from governance.xds.snapshot import Snapshot

HOLD = 5 * SECOND
"""How long routes wait for clusters at most: a client that never asks for endpoints still gets its routes."""
MAX_NAMES = 10_000
"""Resources of a kind that one client may name."""
MAX_NAME = 1000
"""Characters of a resource's name or version."""
MAX_REASON = 500
"""Characters of a refusal that are kept: its end, where Envoy says the reason."""


class Status(Protocol):
    """google.rpc.Status."""

    code: int
    message: str


class Node(Protocol):
    """envoy.config.core.v3.Node, as far as it is read."""

    id: str
    cluster: str

    def SerializeToString(self) -> bytes:  # noqa: N802 - protobuf's name
        """The message, encoded."""
        ...


class Request(Protocol):
    """What requests of both forms have."""

    node: Node
    type_url: str
    response_nonce: str
    error_detail: Status

    def HasField(self, name: str) -> bool:  # noqa: N802 - protobuf's name
        """Whether a field is set."""
        ...


@dataclass(frozen=True, slots=True)
class Reply:
    """A client's answer to what was sent: acknowledged, or refused for a reason."""

    kind: Kind
    revision: str
    refusal: str = ""


class ProtocolError(Exception):
    """The client breaks a bound; its stream is closed with this message."""


class Stream(Protocol):
    """One client's stream of either form."""

    @property
    def held(self) -> bool:
        """Whether routes wait for clusters: ask again after `HOLD`."""
        ...

    def request(self, encoded: bytes, snapshot: Snapshot | None) -> Reply | None:
        """Read a request; what it says of an earlier response.

        Raises:
            ProtocolError: the client breaks a bound.
        """
        ...

    def responses(self, snapshot: Snapshot, now: int) -> Sequence[bytes]:
        """What is to be sent now; `now` is in nanoseconds of any clock that only goes on."""
        ...

    def settled(self, snapshot: Snapshot) -> bool:
        """Whether the client has acknowledged all of this snapshot that it asked for."""
        ...


class Gate:
    """When routes may be sent."""

    def __init__(self) -> None:
        self._ready: set[str] = set()
        self._since: int | None = None

    @property
    def held(self) -> bool:
        """Whether they were held back when last asked."""
        return self._since is not None

    def has(self, endpoints: Iterable[str]) -> None:
        """The client has these endpoints."""
        self._ready.update(endpoints)

    def opens(self, snapshot: Snapshot, now: int) -> bool:
        """Whether the client can serve every cluster of the snapshot, or has had its time."""
        wanted = snapshot[Kind.ENDPOINTS].items.keys()
        self._ready &= wanted  # what comes back later warms again
        if wanted <= self._ready:
            self._since = None
            return True
        if self._since is None:
            self._since = now
        if now - self._since >= HOLD:
            self._since = None
            self._ready |= wanted
            return True
        return False


def kind_of(type_url: str) -> Kind | None:
    """The kind that a request asks for; None for what we have none of."""
    return KIND_OF_URL.get(type_url if "/" in type_url else TYPE_PREFIX + type_url)


def refusal_of(request: Request) -> str:
    """Why the client refuses what it was sent; empty if it does not."""
    if not request.HasField("error_detail"):
        return ""
    return request.error_detail.message[-MAX_REASON:] or f"code {request.error_detail.code}"


def check_names(names: Collection[str]) -> None:
    """Keep to the bound.

    Raises:
        ProtocolError: it names too many, or one is too long.
    """
    if len(names) > MAX_NAMES:
        raise ProtocolError(f"{len(names)} resources of one kind are asked for; at most {MAX_NAMES}")
    if names and (longest := max(map(len, names))) > MAX_NAME:
        raise ProtocolError(f"the name of a resource has {longest} characters; at most {MAX_NAME}")


def complete(asked: Collection[Kind], snapshot: Snapshot) -> bool:
    """Whether a client has asked for what makes it serve: before that, nothing that it acknowledges is the whole."""
    return all(kind in asked for kind in (Kind.LISTENER, Kind.ROUTES) if snapshot[kind].items)
