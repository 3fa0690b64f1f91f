"""What a call does, named so that calls of one kind share a name, and by which protocol it goes."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from telemetry import attributes as names
from telemetry.attributes import text

if TYPE_CHECKING:
    from telemetry.spans import Span

_UUID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}(?![0-9a-fA-F])")
_HASH = re.compile(r"(?<![0-9a-zA-Z])(?=[a-fA-F]*[0-9])[0-9a-fA-F]{16,}(?![0-9a-zA-Z])")
_LONG_NUMBER = re.compile(r"(?<![0-9a-zA-Z])[0-9]{5,}(?![0-9a-zA-Z])")
_PATH_NUMBER = re.compile(r"(?<=[/=,;:_.-])[0-9]+(?=[/?&=,;:_.-]|$)")
_PATH_HASH = re.compile(r"(?<=/)(?=[a-fA-F]*[0-9])[0-9a-fA-F]{8,}(?=[/?&]|$)")


@lru_cache(maxsize=4096)
def normalised(name: str) -> str:
    """A name with what differs from call to call taken out: a query string goes, ids become placeholders.

    UUIDs become `{uuid}`, hexadecimal runs `{hash}`, numbers `{number}`. In a path every number that stands alone is
    taken for an id; elsewhere only one of five digits or more.

    >>> normalised("GET /orders/4711/items/550e8400-e29b-41d4-a716-446655440000?full=1")
    'GET /orders/{number}/items/{uuid}'
    """
    before, slash, path = name.partition("/")
    if slash:
        path = _PATH_HASH.sub("{hash}", slash + _UUID.sub("{uuid}", path.partition("?")[0]))
        path = _PATH_NUMBER.sub("{number}", path)
    return _LONG_NUMBER.sub("{number}", _HASH.sub("{hash}", _UUID.sub("{uuid}", before + path)))


def operation_of(span: Span) -> str:
    """The operation of a span: method and route of HTTP, the summary of a query, else its normalised name."""
    attributes = span.attributes
    if attributes:
        route = text(attributes, names.HTTP_ROUTE) or text(attributes, names.URL_TEMPLATE)
        if route:
            method = text(attributes, names.HTTP_METHOD)
            return f"{method} {route}" if method else route
        summary = text(attributes, names.DB_QUERY_SUMMARY)
        if summary:
            return summary
    return normalised(span.name)


def protocol_of(span: Span) -> str:
    """The protocol of a call: the RPC, messaging or database system, `http`, a network protocol, or empty."""
    attributes = span.attributes
    if not attributes:
        return ""
    system = text(attributes, names.RPC_SYSTEM) or text(attributes, names.MESSAGING_SYSTEM) or text(attributes, names.DB_SYSTEM)
    if system:
        return system
    return "http" if text(attributes, names.HTTP_METHOD) else text(attributes, names.NETWORK_PROTOCOL_NAME)
