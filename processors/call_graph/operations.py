"""What a call does, named so that calls of one kind share a name, and by which protocol it goes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from components.bounded_cache import remembered
from processors.call_graph.database_systems import database_system
from telemetry import attributes as names
from telemetry.attributes import text

if TYPE_CHECKING:
    from telemetry.spans import Span

_UUID = r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
_ID_IN_PATH = re.compile(rf"(?<=[/=,;:_-])(?:{_UUID}|(?=[a-fA-F]*[0-9])[0-9a-fA-F]{{8,}}|[0-9]+)(?=[/&=,;:_.-]|$)")
_ID = re.compile(rf"(?<![0-9a-zA-Z])(?:{_UUID}|(?=[a-fA-F]*[0-9])[0-9a-fA-F]{{16,}}|[0-9]{{5,}})(?![0-9a-zA-Z])")


@remembered(2 << 20)
def normalised(name: str) -> str:
    """A name without what differs from call to call: a query string goes, ids become `{id}`.

    An id is a UUID, a run of 16 or more hexadecimal digits or of 5 or more decimal ones. In a path 8 hexadecimal digits
    are enough, and every number that stands alone.

    >>> normalised("GET /orders/4711/items/550e8400-e29b-41d4-a716-446655440000?full=1")
    'GET /orders/{id}/items/{id}'
    """
    before, slash, path = name.partition("/")
    if slash:
        path = _ID_IN_PATH.sub("{id}", slash + path.partition("?")[0])
    return _ID.sub("{id}", before + path)


def operation_of(span: Span) -> str:
    """The operation of a span: method and route, summary or operation and collection of a query, else its normalised name."""
    attributes = span.attributes
    if attributes:
        route = text(attributes, names.HTTP_ROUTE) or text(attributes, names.URL_TEMPLATE)
        if route:
            method = text(attributes, names.HTTP_METHOD)
            return f"{method} {route}" if method else route
        summary = text(attributes, names.DB_QUERY_SUMMARY)
        if summary:
            return summary
        collection = text(attributes, names.DB_COLLECTION)
        if collection:
            operation = text(attributes, names.DB_OPERATION)
            return f"{operation} {collection}" if operation else collection
    name = span.name
    if name == "ingress" or name.startswith("egress "):
        return of_proxy(name, text(attributes, names.HTTP_METHOD), text(attributes, names.URL_FULL))
    return normalised(name)


def of_proxy(name: str, method: str, url: str) -> str:
    """Method and path, where a proxy names all its spans `ingress` or `egress HOST`, as Envoy does unless it is configured."""
    try:
        return (normalised(f"{method} {urlsplit(url).path or '/'}") if method and url else "") or name
    except ValueError:  # an unclosed bracket
        return name


def protocol_of(span: Span) -> str:
    """The protocol of a call: the RPC, messaging or database system, `http`, a network protocol, or empty."""
    attributes = span.attributes
    if not attributes:
        return ""
    system = text(attributes, names.RPC_SYSTEM) or text(attributes, names.MESSAGING_SYSTEM) or database_system(attributes)
    if system:
        return system
    return "http" if text(attributes, names.HTTP_METHOD) else text(attributes, names.NETWORK_PROTOCOL_NAME)
