"""A hop's document whose JSON is written already."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from telemetry.documents.kinds import Body, Document, Kind, hop_document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from telemetry.call_graph import Hop


class HopRow(NamedTuple):
    """A hop's document as JSON, as orjson writes it, its id, and what stores ask of the hop beside."""

    json: bytes
    id: str
    start: int
    environment: str
    caller: str
    callee: str
    operation: str
    duration: int
    failed: bool


class EncodedHopDocument(Document):
    """What `hop_document` returns, with its body as JSON; the body itself is made when somebody asks for it.

    Attributes:
        row: the body as JSON, and what stores ask.
        revision: of its trace.
        partition: that counts it.
        window: start of the window that counts it, in nanoseconds.
    """

    __slots__ = ("_hops", "_place", "partition", "revision", "row", "window")

    row: HopRow
    revision: int
    partition: int
    window: int
    _hops: Sequence[Hop]
    _place: int

    def __init__(self, hops: Sequence[Hop], place: int, row: HopRow, revision: int, partition: int, width: int) -> None:
        """`place` is that of the hop among those of its trace, `width` that of a window."""
        put = object.__setattr__  # a document is frozen
        _, id_, start, *_ = row
        put(self, "kind", Kind.HOP)
        put(self, "id", id_)
        put(self, "time", start)
        put(self, "row", row)
        put(self, "_hops", hops)
        put(self, "_place", place)
        put(self, "revision", revision)
        put(self, "partition", partition)
        put(self, "window", start - start % width)

    @property
    def json(self) -> bytes:
        """The body, as orjson writes it."""
        return self.row.json

    @property
    def body(self) -> Body:
        """The body, made each time."""
        return hop_document(self._hops[self._place], self.revision, self.partition, self.window).body
