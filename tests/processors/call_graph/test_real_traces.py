from __future__ import annotations

import gzip
from collections import defaultdict
from pathlib import Path

import pytest

from processors.assembly.edges import aggregate
from processors.call_graph import call_graph
from telemetry.call_graph import NodeKind
from telemetry.otlp import decode_spans, json_to_protobuf

NEZHA = Path(__file__).parents[4] / "shared" / "data" / "nezha"


def cases() -> list[Path]:
    """The smallest case of each of the two systems, one with span kinds and one nearly without."""
    found = [sorted(NEZHA.glob(f"{system}-*.jsonl.gz"), key=lambda path: path.stat().st_size) for system in ("ob", "ts")]
    return [paths[0] for paths in found if paths]


@pytest.mark.shared
@pytest.mark.skipif(not cases(), reason=f"no public traces at {NEZHA}")
@pytest.mark.parametrize("path", cases(), ids=lambda path: path.name)
def test_real_traces_are_drawn_whole(path: Path) -> None:
    traces = defaultdict(list)
    with gzip.open(path) as lines:
        for line in lines:
            if b'"resourceSpans"' in line:
                for span in decode_spans(json_to_protobuf("spans", line)):
                    traces[span.trace_id].append(span)
    graphs = [call_graph(spans) for spans in traces.values()]
    for graph, spans in zip(graphs, traces.values(), strict=True):
        assert graph.span_count == len({span.span_id for span in spans})
        assert sum(segment.end - segment.start for segment in graph.critical_path) == graph.duration
        assert sum(hop.critical_path_time for hop in graph.hops) <= graph.duration
        crossings = {
            (by_id[span.parent_span_id].service, span.service)
            for by_id in ({span.span_id: span for span in spans},)
            for span in spans
            if span.parent_span_id in by_id and by_id[span.parent_span_id].service != span.service
        }
        between = {
            (hop.caller.name, hop.callee.name)
            for hop in graph.hops
            if hop.caller.kind is hop.callee.kind is NodeKind.SERVICE and hop.caller != hop.callee
        }
        assert between == crossings
    hops = [hop for graph in graphs for hop in graph.hops]
    assert sum(edge.calls for edge in aggregate(hops, 10_000_000_000).values()) == len(hops)
