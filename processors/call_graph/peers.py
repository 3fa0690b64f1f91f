"""The other side of a call that sends no spans itself, named by what the known side says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from components.bounded_cache import remembered
from processors.call_graph.database_systems import DEFAULT_PORTS, database_system
from telemetry import attributes as names
from telemetry.attributes import text
from telemetry.call_graph import Node, NodeKind
from telemetry.resource import service_of

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
    if peer:  # the conventions: equal to the service.name of the remote service, and to its service.namespace
        return service_node(service_of(peer, text(attributes, names.SERVICE_PEER_NAMESPACE)))
    address = _address(attributes)
    return Node(NodeKind.EXTERNAL, address) if address else UNKNOWN


def queue_of(span: Span) -> Node:
    """The queue or topic that a messaging span writes or reads, by system and destination.

    Not by server: a span names one broker of a cluster, often only the sender's does, and any other one has the topic too.
    Names made up by the broker are not distinguished.
    """
    attributes = span.attributes
    system = text(attributes, names.MESSAGING_SYSTEM)
    if text(attributes, names.MESSAGING_DESTINATION_TEMPORARY) == "True":
        name = "(temporary)"
    elif text(attributes, names.MESSAGING_DESTINATION_ANONYMOUS) == "True":
        name = "(anonymous)"
    else:
        name = text(attributes, names.MESSAGING_DESTINATION_TEMPLATE) or text(attributes, names.MESSAGING_DESTINATION)
    return Node(NodeKind.QUEUE, resource_name(system, "", name) or UNKNOWN.name)


def _database(attributes: Mapping[str, AttributeValue]) -> Node:
    """By system, server and name: what the conventions tell databases apart by."""
    system, name = database_system(attributes), text(attributes, names.DB_NAMESPACE)
    server = _server(attributes, DEFAULT_PORTS.get(system, ""))
    if not name and not server:  # the address of a connection is one of many that a server may have
        server = _peer_address(attributes, DEFAULT_PORTS.get(system, ""))
    return Node(NodeKind.DATABASE, text(attributes, names.SERVICE_PEER_NAME) or resource_name(system, server, name))


def resource_name(system: str, server: str, name: str) -> str:
    """What a database or queue is called.

    >>> resource_name("postgresql", "pg-1", "orders"), resource_name("redis", "cache:6380", "")
    ('postgresql://pg-1/orders', 'redis://cache:6380')
    >>> resource_name("kafka", "", "paid"), resource_name("sqlite", "", "")
    ('kafka:paid', 'sqlite')
    """
    if server:
        return f"{system}://{server}/{name}" if name else f"{system}://{server}"
    return f"{system}:{name}" if system and name else system or name


def address_of(span: Span) -> str:
    """The server that a client span names, empty where it names none."""
    return _address(span.attributes) if span.attributes else ""


def _address(attributes: Mapping[str, AttributeValue]) -> str:
    """Host, and port where it is not the protocol's own."""
    return _server(attributes) or _peer_address(attributes)


def _server(attributes: Mapping[str, AttributeValue], default_port: str = "") -> str:
    host = text(attributes, names.SERVER_ADDRESS)
    if not host:
        url = text(attributes, names.URL_FULL)
        host = host_of(url) if url else ""
    return _with_port(host, text(attributes, names.SERVER_PORT), default_port)


def _peer_address(attributes: Mapping[str, AttributeValue], default_port: str = "") -> str:
    port = text(attributes, names.SERVER_PORT) or text(attributes, names.NETWORK_PEER_PORT)
    return _with_port(text(attributes, names.NETWORK_PEER_ADDRESS), port, default_port)


def _with_port(host: str, port: str, default_port: str) -> str:
    if default_port and host.count(":") == 1:  # from a URL
        host = host.removesuffix(f":{default_port}")
    if not host or port in {*_DEFAULT_PORTS, default_port} or host.endswith(f":{port}"):
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def host_of(url: str) -> str:
    """The host that a URL names, and its port where that is not the protocol's own; empty where it names none."""
    try:
        parts = urlsplit(url)
        return parts.netloc.rpartition("@")[2] if parts.port not in {80, 443} else parts.hostname or ""
    except ValueError:  # a port that is no number, an unclosed bracket
        return ""
