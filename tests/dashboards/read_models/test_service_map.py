from __future__ import annotations

from collections import Counter
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.read_models.service_map import MAX_COSTS, ServiceMap, service_map, service_map_body
from processors.assembly.edges import aggregate, subtract
from telemetry.call_graph import Edge, Hop, Node, NodeKind

SECOND = 1_000_000_000

NODES = st.builds(Node, st.sampled_from((NodeKind.SERVICE, NodeKind.DATABASE)), st.sampled_from("abc"))
HOPS = st.lists(
    st.builds(
        partial(Hop),  # whose other fields have their defaults: those of a named tuple would be drawn too
        trace_id=st.binary(min_size=16, max_size=16),
        id=st.binary(min_size=8, max_size=8),
        caller=NODES,
        callee=NODES,
        operation=st.sampled_from(("x", "y")),
        protocol=st.sampled_from(("http", "grpc", "")),
        start=st.integers(0, 60 * SECOND),
        end=st.just(0),
        client_duration=st.integers(SECOND // 1000, 10 * SECOND),  # within what buckets of 9% hold
        critical_path_time=st.integers(0, 10 * SECOND),
        failed=st.booleans(),
    ),
    min_size=1,
    max_size=40,
)


def drawn(edges: list[Edge]) -> ServiceMap:
    return service_map(edges, {})


@given(hops=HOPS, data=st.data())
def test_the_map_counts_every_hop_once_however_they_were_gathered(hops: list[Hop], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(hops)))
    parts = [aggregate(part, 5 * SECOND).values() for part in (hops[:cut], hops[cut:])]
    shown = drawn(data.draw(st.permutations([edge for part in parts for edge in part])))
    assert sum(call.calls for call in shown.calls) == len(hops)
    assert {place.node for place in shown.nodes} == {node for hop in hops for node in (hop.caller, hop.callee)}
    for call in shown.calls:
        own = [hop for hop in hops if (hop.caller, hop.callee) == (call.caller, call.callee)]
        assert (call.calls, call.failures) == (len(own), sum(hop.failed for hop in own))
        assert call.protocols == {hop.protocol for hop in own}
        longest = max(hop.duration for hop in own)
        most = call.quantile(1)
        assert most is not None
        assert longest / 1.1 <= most <= longest * 1.1


@given(hops=HOPS, data=st.data())
def test_the_costliest_kind_of_hop_comes_first_over_all_windows(hops: list[Hop], data: st.DataObject) -> None:
    shown = drawn(data.draw(st.permutations(list(aggregate(hops, 5 * SECOND).values()))))
    spent: Counter[tuple[Node, Node, str, str]] = Counter()
    for hop in hops:
        spent[hop.caller, hop.callee, hop.operation, hop.protocol] += hop.critical_path_time
    reported = [(cost["critical_path_time"], cost["calls"]) for cost in service_map_body(shown)["costs"]]
    assert [time for time, _ in reported] == sorted(spent.values(), reverse=True)[:MAX_COSTS]
    assert shown.critical_path_time == sum(spent.values())
    if shown.critical_path_time and len(spent) <= MAX_COSTS:
        assert sum(cost["critical_path_share"] for cost in service_map_body(shown)["costs"]) == pytest.approx(1)


@given(hops=HOPS)
def test_a_call_that_corrections_take_back_is_not_on_the_map(hops: list[Hop]) -> None:
    edges = list(aggregate(hops, 5 * SECOND).values())
    taken_back = [subtract(subtract(edge, edge), edge) for edge in edges]
    shown = drawn(edges + taken_back)
    assert (shown.calls, shown.costs) == ((), ())
