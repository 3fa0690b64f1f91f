"""The other side of a call that sends no spans itself, named by what the known side says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from components.bounded_cache import remembered
from telemetry import attributes as names
from telemetry.attributes import text
from telemetry.call_graph import Node, NodeKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from telemetry.resource import AttributeValue
    from telemetry.spans import Span

USER = Node(NodeKind.USER, "user")
"""Who calls a root server span."""

UNKNOWN = Node(NodeKind.UNKNOWN, "unknown")
"""The side of which nothing is known."""

_DEFAULT_PORTS = ("", "80", "443")


@remembered(1 << 20)
def service_node(name: str) -> Node:
    """The node of a service."""
    return Node(NodeKind.SERVICE, name)


def names_resource(span: Span) -> bool:
    """Whether a span says that it uses a database or a queue."""
    attributes = span.attributes
    return bool(text(attributes, names.DB_SYSTEM) or text(attributes, names.MESSAGING_SYSTEM))


def peer_of(span: Span) -> Node:
    """The node that a client or producer span calls."""
    attributes = span.attributes
    if not attributes:
        return UNKNOWN
    if text(attributes, names.DB_SYSTEM):
        return _database(attributes)
    if text(attributes, names.MESSAGING_SYSTEM):
        return queue_of(span)
    peer = text(attributes, names.SERVICE_PEER_NAME)
    if peer:  # the conventions: equal to the service.name of the remote service
        return service_node(peer)
    address = _address(attributes)
    return Node(NodeKind.EXTERNAL, address) if address else UNKNOWN


def queue_of(span: Span) -> Node:
    """The queue or topic that a messaging span writes or reads. Names made up by the broker are not told apart."""
    attributes = span.attributes
    if text(attributes, names.MESSAGING_DESTINATION_TEMPORARY) == "True":
        name = "(temporary)"
    elif text(attributes, names.MESSAGING_DESTINATION_ANONYMOUS) == "True":
        name = "(anonymous)"
    else:
        name = (
            text(attributes, names.MESSAGING_DESTINATION_TEMPLATE)
            or text(attributes, names.MESSAGING_DESTINATION)
            or text(attributes, names.MESSAGING_SYSTEM)
            or UNKNOWN.name
        )
    return Node(NodeKind.QUEUE, name)


def _database(attributes: Mapping[str, AttributeValue]) -> Node:
    namespace = text(attributes, names.DB_NAMESPACE)
    name = (
        text(attributes, names.SERVICE_PEER_NAME)
        or ("" if namespace.isdigit() else namespace)  # Redis numbers its databases
        or _address(attributes)
        or text(attributes, names.DB_SYSTEM)
    )
    return Node(NodeKind.DATABASE, name)


def address_of(span: Span) -> str:
    """The server that a client span names, empty where it names none."""
    return _address(span.attributes) if span.attributes else ""


def _address(attributes: Mapping[str, AttributeValue]) -> str:
    """Host, and port where it is not the protocol's own."""
    host = text(attributes, names.SERVER_ADDRESS)
    port = text(attributes, names.SERVER_PORT)
    if not host:
        url = text(attributes, names.URL_FULL)
        host = _host(url) if url else ""
    if not host:
        host = text(attributes, names.NETWORK_PEER_ADDRESS)
        port = port or text(attributes, names.NETWORK_PEER_PORT)
    if not host or port in _DEFAULT_PORTS or host.endswith(f":{port}"):
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        return parts.netloc.rpartition("@")[2] if parts.port not in {80, 443} else parts.hostname or ""
    except ValueError:  # a port that is no number, an unclosed bracket
        return ""
