"""A trace's document whose JSON is written already."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from telemetry.documents.kinds import Body, Document, Kind, trace_document

if TYPE_CHECKING:
    from telemetry.call_graph import CallGraph


class EncodedTraceDocument(Document):
    """What `trace_document` returns, with its body as JSON; the body itself is made when somebody asks for it.

    Attributes:
        json: the body, as orjson writes it.
        graph: what it is about.
        revision: of the trace.
        logs: what was counted of its logs and exemplars.
    """

    __slots__ = ("graph", "json", "logs", "revision")

    json: bytes
    graph: CallGraph
    revision: int
    logs: Body

    def __init__(self, graph: CallGraph, json: bytes, revision: int, logs: Body) -> None:
        """`json` has the members before those of `logs`, and no brace at its end."""
        put = object.__setattr__  # a document is frozen
        put(self, "kind", Kind.TRACE)
        put(self, "id", f"{graph.trace_id.hex()}.{revision}")
        put(self, "time", graph.start)
        put(self, "json", b"%b,%b" % (json, orjson.dumps(logs)[1:]))
        put(self, "graph", graph)
        put(self, "revision", revision)
        put(self, "logs", logs)

    @property
    def body(self) -> Body:
        """The body, made each time."""
        return trace_document(self.graph, self.revision, self.logs).body
