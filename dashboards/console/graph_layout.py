"""Where the nodes of a service map stand: callers left of what they call, so that requests read from left to right.

The first two steps of Sugiyama's method for layered graphs: layers by longest path, then few crossings by barycentres.
The same graph always gives the same picture, so a refresh moves nothing.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, TypeVar

from telemetry import call_graph

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Node = TypeVar("Node", call_graph.Node, tuple[str, call_graph.Node])
"""A node, alone or with its environment."""

SWEEPS = 4
"""Rounds of ordering by barycentre; more change little on graphs that a person can read."""


def positions(nodes: Sequence[Node], calls: Iterable[tuple[Node, Node]]) -> dict[Node, tuple[float, float]]:
    """Column and row of each node. Rows are centred on 0; a call that closes a cycle does not move its callee."""
    edges = _acyclic(nodes, calls)
    column = _columns(nodes, edges)
    layers: dict[int, list[Node]] = defaultdict(list)
    for node in nodes:
        layers[column[node]].append(node)
    near: dict[Node, list[Node]] = defaultdict(list)
    for caller, callees in edges.items():
        for callee in callees:
            near[caller].append(callee)
            near[callee].append(caller)
    row = {node: place - (len(layer) - 1) / 2 for layer in layers.values() for place, node in enumerate(layer)}
    for sweep in range(SWEEPS):
        for number in sorted(layers, reverse=bool(sweep % 2)):
            layer = layers[number]
            centre = {node: sum(row[other] for other in near[node]) / len(near[node]) if near[node] else 0.0 for node in layer}
            layer.sort(key=lambda node: (centre[node], node))
            for place, node in enumerate(layer):
                row[node] = place - (len(layer) - 1) / 2
    return {node: (float(column[node]), row[node]) for node in nodes}


def _acyclic(nodes: Sequence[Node], calls: Iterable[tuple[Node, Node]]) -> dict[Node, list[Node]]:
    """The calls by caller, without those that lead back to a node above (found by a depth-first walk from the callers)."""
    callees: dict[Node, list[Node]] = defaultdict(list)
    called: set[Node] = set()
    for caller, callee in sorted(set(calls)):
        if caller != callee:
            callees[caller].append(callee)
            called.add(callee)
    kept: dict[Node, list[Node]] = {node: [] for node in nodes}
    done: set[Node] = set()
    for start in sorted(nodes, key=lambda node: (node in called, node)):
        if start in done:
            continue
        above = {start}
        walk = [(start, list(callees[start]))]
        while walk:
            node, rest = walk[-1]
            if not rest:
                walk.pop()
                above.discard(node)
                done.add(node)
            elif (callee := rest.pop(0)) not in above:
                kept[node].append(callee)
                if callee not in done:
                    above.add(callee)
                    walk.append((callee, list(callees[callee])))
    return kept


def _columns(nodes: Sequence[Node], edges: Mapping[Node, Sequence[Node]]) -> dict[Node, int]:
    """The length of the longest way to each node."""
    column = dict.fromkeys(nodes, 0)
    waiting = dict.fromkeys(nodes, 0)
    for callees in edges.values():
        for callee in callees:
            waiting[callee] += 1
    ready = [node for node in nodes if not waiting[node]]
    while ready:
        node = ready.pop()
        for callee in edges[node]:
            column[callee] = max(column[callee], column[node] + 1)
            waiting[callee] -= 1
            if not waiting[callee]:
                ready.append(callee)
    return column
