"""Where the time of one call goes, for two spans written down by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from processors.call_graph import call_graph
from processors.call_graph.hops import RESOLUTION
from telemetry.spans import StatusCode
from tests.processors.traces import CLIENT, CONSUMER, INTERNAL, PRODUCER, SERVER, sid, span

if TYPE_CHECKING:
    from telemetry.call_graph import Hop
    from telemetry.spans import Span

MS = 1_000_000


def only(*spans: Span) -> Hop:
    (hop,) = call_graph(list(spans)).hops
    return hop


def call(server: tuple[int, int], *, host: str = "", client_failed: bool = False, server_failed: bool = False) -> Hop:
    """A call from 100 to 200 ms by the caller's clock, served in these ms by the callee's."""
    failed = {True: StatusCode.ERROR, False: StatusCode.UNSET}
    return only(
        span(1, 0, "a", CLIENT, 100 * MS, 200 * MS, host="h1", status=failed[client_failed]),
        span(2, 1, "b", SERVER, server[0] * MS, server[1] * MS, host=host, status=failed[server_failed]),
    )


@pytest.mark.parametrize(
    ("server", "host", "gap", "skew"),
    [
        ((120, 180), "h1", 40, 0),
        ((100, 200), "h1", 0, 0),
        ((99, 199), "h1", 0, 1),
        ((98, 198), "h1", None, None),
        ((98, 198), "h2", 0, 2),
        ((101, 201), "h1", 0, -1),
        ((102, 202), "h1", None, None),
        ((102, 202), "h2", 0, -2),
        ((10, 50), "h2", 60, 90),
        ((310, 350), "h2", 60, -150),
        ((100, 201), "h2", None, None),
        ((310, 350), "", 60, -150),
    ],
)
def test_the_gap_and_the_skew_of_a_call_are_those_of_nested_spans(
    server: tuple[int, int], host: str, gap: int | None, skew: int | None
) -> None:
    hop = call(server, host=host)
    assert (hop.gap, hop.skew) == (None if gap is None else gap * MS, None if skew is None else skew * MS)
    assert (hop.start, hop.end, hop.client_duration) == (100 * MS, 200 * MS, 100 * MS)
    assert (hop.server_start, hop.server_duration) == (server[0] * MS, (server[1] - server[0]) * MS)
    assert hop.queue_wait is None
    assert RESOLUTION == MS


def test_a_server_that_goes_on_well_after_its_client_failed_is_not_nested_by_any_clock() -> None:
    assert call((150, 230), host="h2").gap == 20 * MS
    assert call((150, 230), host="h2", client_failed=True).gap is None
    assert call((150, 230), host="h2", client_failed=True, server_failed=True).gap == 20 * MS
    assert call((210, 290), host="h2", client_failed=True).gap == 20 * MS, "it began when the client had ended: another clock"
    assert call((90, 170), host="h2", client_failed=True).gap == 20 * MS


@pytest.mark.parametrize(("client", "server"), [(False, False), (True, False), (False, True), (True, True)])
def test_a_call_failed_if_either_side_says_so(client: bool, server: bool) -> None:  # noqa: FBT001 - parameters
    assert call((120, 180), client_failed=client, server_failed=server).failed == (client or server)


def test_a_message_waits_in_the_queue_from_its_sending_to_its_receiving() -> None:
    publish, process = span(1, 0, "a", PRODUCER, 10, 20), span(2, 1, "b", CONSUMER, 50, 80)
    hop = only(publish, process)
    assert (hop.queue_wait, hop.gap, hop.skew) == (30, None, 0)
    early = only(publish, replace(process, start=15, end=18))
    assert (early.queue_wait, early.skew) == (0, 0)
    before = only(publish, replace(process, start=4, end=8))
    assert (before.queue_wait, before.skew) == (0, 6), "no message is received before it is sent"


def test_the_time_of_a_server_is_its_own_or_that_of_one_or_of_several_calls() -> None:
    spans = [
        span(1, 0, "a", SERVER, 0, 100),
        span(2, 1, "a", CLIENT, 10, 40), span(3, 1, "a", CLIENT, 30, 60),
        span(4, 2, "b", SERVER, 12, 38), span(5, 3, "c", SERVER, 31, 59),
    ]  # fmt: skip
    hops = {hop.callee.name: hop for hop in call_graph(spans).hops}
    assert (hops["a"].self_time, hops["a"].blocked_sequential, hops["a"].blocked_parallel) == (50, 40, 10)
    assert (hops["b"].self_time, hops["b"].blocked_sequential, hops["b"].blocked_parallel) == (26, 0, 0)
    assert (hops["b"].gap, hops["c"].gap) == (4, 2)
    assert sum(hop.critical_path_time for hop in hops.values()) == 100
    assert hops["a"].critical_path_share == pytest.approx(hops["a"].critical_path_time / 100)


def test_two_callees_of_one_client_span_have_no_gap_of_their_own() -> None:
    spans = [span(1, 0, "a", CLIENT, 0, 100), span(2, 1, "b", SERVER, 10, 40), span(3, 1, "c", SERVER, 50, 90)]
    assert [(hop.callee.name, hop.gap, hop.skew) for hop in call_graph(spans).hops] == [("b", None, None), ("c", None, None)]


def test_a_call_without_a_client_span_is_timed_by_its_callee() -> None:
    top, below = span(1, 0, "a", SERVER, 0, 100), span(2, 1, "b", INTERNAL, 20, 70)
    user, hop = call_graph([top, below]).hops
    assert (user.self_time, user.blocked_sequential) == (50, 50)
    assert (hop.start, hop.end, hop.client_duration, hop.server_duration, hop.inferred) == (20, 70, None, 50, True)
    assert (hop.client_span_id, hop.server_span_id, hop.id) == (b"", sid(2), sid(2))
    assert (hop.caller_instance, hop.callee_instance) == ("a-1", "b-1")
