"""Who sent a piece of telemetry, as its receiver knows it. The header goes with the record, so that a repair can ask later.

A sender is one text: `loopback`, `token:NAME` and `certificate:SUBJECT` of those that showed who they are, `anonymous` for
whoever else reached a port, and `kafka` for a record that somebody wrote to a topic without us.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

HEADER: Final = "spanloom.sender"
"""Header of a record of the `otlp_*` topics."""

LOOPBACK: Final = "loopback"
ANONYMOUS: Final = "anonymous"
KAFKA: Final = "kafka"
MAX_SENDER = 200
"""Most characters of a sender's text."""

_FORWARDED = frozenset(
    {
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-real-ip",
        "via",
        "origin",
        "x-envoy-external-address",
    }
)
"""Headers of a request that a proxy passed on, or that a page in a browser made: it came from elsewhere than its connection."""

_UNSHOWN = re.compile(r"[^\x21-\x7e]+")


def token_sender(name: str) -> str:
    """Who showed the ingest token of a name."""
    return _text("token", name)


def certificate_sender(subject: str) -> str:
    """Who showed a client certificate of a subject."""
    return _text("certificate", subject)


def sender_of_peer(host: str | None, headers: Mapping[str, str]) -> str:
    """Who sent a request without a credential: `loopback` only where nothing says that it was passed on.

    Args:
        host: the address at the other end of the connection; None or empty for a Unix socket.
        headers: of the request, or the metadata of the call; names in lower case.
    """
    if not _FORWARDED.isdisjoint(headers):
        return ANONYMOUS
    return LOOPBACK if not host or is_loopback(host) else ANONYMOUS


def sender_of_record(header: bytes | None, unmarked: str) -> str:
    """Who sent a record of the log; what is no sender of ours counts as anonymous.

    Args:
        header: the record's, None without one.
        unmarked: who sends records without it.
    """
    if header is None:
        return unmarked
    text = header.decode("ascii", "replace")
    known = text == LOOPBACK or text.partition(":")[0] in {"token", "certificate"}
    return text if known and len(text) <= MAX_SENDER and not _UNSHOWN.search(text) else ANONYMOUS


def is_loopback(host: str) -> bool:
    """Whether an address is of this machine alone. A name is not looked up: only `localhost` counts."""
    plain = host.strip("[]").partition("%")[0]
    try:
        address = ip_address(plain)
    except ValueError:
        return plain.lower() in {"localhost", "ip6-localhost"}
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def grpc_host(peer: str) -> str | None:
    """The address in what gRPC calls the peer of a call, such as `ipv4:127.0.0.1:5000`; None for a Unix socket."""
    kind, _, rest = peer.partition(":")
    if kind in {"unix", "unix-abstract"}:
        return None
    return rest.replace("%5B", "[").replace("%5D", "]").rpartition(":")[0] or "unknown"


def _text(kind: str, name: str) -> str:
    return f"{kind}:{_UNSHOWN.sub('_', name)}"[:MAX_SENDER]
