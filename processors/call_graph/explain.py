"""Why each span of a trace did or did not make an edge."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from processors.call_graph.calls import Rule, calls_of
from processors.call_graph.hops import hop_id
from processors.call_graph.span_tree import SpanTree
from telemetry.environment import DEFAULT_ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from processors.call_graph.span_tree import TreeSpan
    from telemetry.span_links import LinkTarget
    from telemetry.spans import Span, SpanKind


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the rules decided for one span.

    `rules` are in the order in which they were asked; the value of each is its reason in words. `hops` are the ids of
    the hops that the span is a side of. `copies` is how often the span came; `depth` how far it is below its top.
    """

    span_id: bytes
    parent_span_id: bytes
    parent_missing: bool
    depth: int
    service: str
    operation: str
    kind: SpanKind
    start: int
    end: int
    copies: int
    rules: tuple[Rule, ...]
    hops: tuple[bytes, ...]
    environment: str = DEFAULT_ENVIRONMENT

    @property
    def why(self) -> str:
        """The reasons in words."""
        return "; ".join(self.rules)


def explain(spans: Collection[Span], link_targets: Iterable[LinkTarget] = ()) -> list[Explanation]:
    """An explanation of each span of one trace, parents before their children, siblings by start.

    The reasons are the decisions that `call_graph` draws its hops from, not a second opinion.
    """
    tree = SpanTree(spans, link_targets)
    copies = Counter(span.key for span in spans)
    missing = frozenset(tree.missing)
    rules: dict[int, list[Rule]] = {}
    hops: dict[int, list[bytes]] = {}
    callers: set[int] = set()
    for call in calls_of(tree):
        rules.setdefault(id(call.span), []).append(call.rule)
        for side in (call.source, call.server):
            if side is not None:
                hops.setdefault(id(side), []).append(hop_id(call))
        if call.source is not None and call.client is None:
            callers.add(id(call.source))
    explanations = []
    pending: list[tuple[TreeSpan, int]] = [(top, 0) for top in reversed(tree.roots + tree.orphans)]
    while pending:
        member, depth = pending.pop()
        pending += [(child, depth + 1) for child in reversed(member.children)]
        span = member.span
        explanations.append(
            Explanation(
                span.span_id,
                span.parent_span_id,
                span.parent_span_id in missing,
                depth,
                member.service,
                member.operation,
                span.kind,
                span.start,
                span.end,
                copies[tree.shared.get(span.span_id, span.span_id) + span.side],
                (*rules[id(member)], *((Rule.CALLER,) if id(member) in callers else ())),
                tuple(sorted(hops.get(id(member), ()))),
                span.resource.environment,
            )
        )
    return explanations
