"""A span's document whose JSON is written already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.documents.kinds import Body, Document, Kind
from telemetry.documents.signals import side_in_id, span_document

if TYPE_CHECKING:
    from telemetry.spans import Span


class EncodedSpanDocument(Document):
    """What `span_document` returns, with its body as JSON; the body itself is made when somebody asks for it.

    Attributes:
        json: the body, as orjson writes it.
        span: what it is about.
        shape: a number of the names of its attributes and their types, in this process; 0: it has none.
        around: the resource and the scope as they are in that JSON.
    """

    __slots__ = ("around", "json", "shape", "span")

    json: bytes
    span: Span
    shape: int
    around: bytes

    def __init__(self, span: Span, json: bytes, side: bytes, shape: int = 0, around: bytes = b"") -> None:
        """`side` is the span's, which whoever makes it knows."""
        put = object.__setattr__  # a document is frozen
        put(self, "kind", Kind.SPAN)
        put(self, "id", f"{span.trace_id.hex()}{span.span_id.hex()}{side_in_id(side)}")
        put(self, "time", span.start)
        put(self, "json", json)
        put(self, "span", span)
        put(self, "shape", shape)
        put(self, "around", around)

    @property
    def body(self) -> Body:
        """The body, made each time."""
        return span_document(self.span).body
