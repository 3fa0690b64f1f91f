from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dashboards.console.graph_layout import positions
from telemetry.call_graph import Node, NodeKind

A, B, C, D, E = (Node(NodeKind.SERVICE, name) for name in "abcde")


def test_callers_stand_left_of_what_they_call() -> None:
    at = positions([A, B, C, D], [(A, B), (B, C), (A, C), (C, D)])
    assert [at[node][0] for node in (A, B, C, D)] == [0, 1, 2, 3]


def test_a_call_back_does_not_move_the_callee() -> None:
    at = positions([A, B, C], [(A, B), (B, C), (C, B), (B, B)])
    assert [at[node][0] for node in (A, B, C)] == [0, 1, 2]


def test_calls_do_not_cross_where_they_need_not() -> None:
    at = positions([A, B, C, D, E], [(A, B), (A, C), (B, E), (C, D)])
    assert (at[B][1] < at[C][1]) == (at[E][1] < at[D][1])


NODES = st.lists(st.sampled_from([Node(kind, name) for kind in NodeKind for name in "abcdef"]), min_size=1, unique=True)


@given(st.data())
def test_every_node_has_a_place_of_its_own_and_the_same_graph_the_same_picture(data: st.DataObject) -> None:
    nodes = data.draw(NODES)
    calls = data.draw(st.lists(st.tuples(st.sampled_from(nodes), st.sampled_from(nodes))))
    at = positions(nodes, calls)
    assert set(at) == set(nodes)
    assert len(set(at.values())) == len(nodes)
    assert positions(nodes, reversed(calls)) == at
