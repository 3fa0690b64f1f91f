"""From the spans of a trace to its call graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processors.call_graph.critical_path import critical_path
from processors.call_graph.hops import hops_of
from processors.call_graph.span_tree import SpanTree
from telemetry.call_graph import CallGraph
from telemetry.spans import StatusCode

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from telemetry.span_links import LinkTarget
    from telemetry.spans import Span


def call_graph(spans: Collection[Span], link_targets: Iterable[LinkTarget] = ()) -> CallGraph:
    """The call graph of the spans of one trace; equal for every order and repetition of the same spans.

    Missing spans, cycles of parents, several roots and clocks that went backwards are drawn as far as they go, never
    refused. Every hop is a function of these spans, and of the link targets in other traces, alone.

    Raises:
        ValueError: there are no spans.
    """
    if not spans:
        raise ValueError("a call graph needs at least one span")
    tree = SpanTree(spans, link_targets)
    path = critical_path(tree)
    order = tree.order
    root = tree.roots[0] if tree.roots else None
    known = len(order) + len(tree.missing)
    completeness = len(order) / known
    first = root if root is not None else min(order, key=lambda member: (member.start, member.span.span_id))
    return CallGraph(
        order[0].span.trace_id,
        min(member.start for member in order),
        max(member.end for member in order),
        len(order),
        root.span.span_id if root is not None else b"",
        root.service if root is not None else "",
        root.operation if root is not None else "",
        tuple(sorted({member.service for member in order})),
        hops_of(tree, path),
        path,
        tree.missing,
        tuple(sorted(member.span.span_id for member in tree.orphans)),
        sum(member.span.status is StatusCode.ERROR for member in order),
        completeness if root is not None else completeness / 2,
        first.span.resource.environment,
    )
