"""A hop's document whose JSON is written already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.documents.kinds import Body, Document, Kind, hop_document

if TYPE_CHECKING:
    from telemetry.call_graph import Hop


class EncodedHopDocument(Document):
    """What `hop_document` returns, with its body as JSON; the body itself is made when somebody asks for it.

    Attributes:
        json: the body, as orjson writes it.
        hop: what it is about.
        revision: of its trace.
        partition: that counts it.
        window: start of the window that counts it, in nanoseconds.
    """

    __slots__ = ("hop", "json", "partition", "revision", "window")

    json: bytes
    hop: Hop
    revision: int
    partition: int
    window: int

    def __init__(self, hop: Hop, json: bytes, revision: int, partition: int, width: int) -> None:
        """`width` is that of a window."""
        put = object.__setattr__  # a document is frozen
        start = hop.start
        put(self, "kind", Kind.HOP)
        put(self, "id", f"{hop.trace_id.hex()}{hop.id.hex()}.{revision}")
        put(self, "time", start)
        put(self, "json", json)
        put(self, "hop", hop)
        put(self, "revision", revision)
        put(self, "partition", partition)
        put(self, "window", start - start % width)

    @property
    def body(self) -> Body:
        """The body, made each time."""
        return hop_document(self.hop, self.revision, self.partition, self.window).body
