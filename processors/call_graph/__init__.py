"""From the spans of a trace to its call graph: tree, hops, critical path, clock skew."""

from processors.call_graph.graph import call_graph
from telemetry.call_graph import CallGraph

__all__ = ["CallGraph", "call_graph"]
