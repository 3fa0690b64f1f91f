from __future__ import annotations

from typing import Any

from spanloom.experiments.mesh.canary_watch import ENOUGH_CALLS, SETTLED
from spanloom.experiments.mesh.delivery_watch import RULE_WINDOW, DeliveryWatch
from spanloom.experiments.watch import Injection

SECOND = 1_000_000_000
BEGAN = 1_000 * SECOND


def watching() -> DeliveryWatch:
    return DeliveryWatch(Injection("carrier", {"kind": "delivery"}, BEGAN), revision="2")


def delivery(state: str, share: float, why: str, since: int = BEGAN, service: str = "carrier") -> list[dict[str, Any]]:
    return [{"service": service, "state": state, "share": share, "why": why, "since": since}]


def edge(window: int, calls: int, failures: int) -> dict[str, Any]:
    return {"callee": {"name": "carrier"}, "window": window, "calls": calls, "failures": failures}


def test_each_step_is_said_once_and_going_back_is_the_repair() -> None:
    watch = watching()
    for seconds, calls in ((1, 3), (2, 9)):
        watch.see_deliveries(delivery("advancing", 30.0, f"waits: {calls} calls"), BEGAN + seconds * SECOND)
        watch.see_rollout({"revision": "2", "state": "done", "why": "all have it"}, BEGAN + seconds * SECOND)
    watch.see_deliveries(delivery("rolled-back", 0.0, "8 of 15 calls failed"), BEGAN + 20 * SECOND)
    assert [entry.text for entry in watch.entries] == [
        "delivery of carrier: advancing at 30 %: waits: 3 calls",
        "revision 2 is done: all have it",
        "delivery of carrier: rolled-back at 0 %: 8 of 15 calls failed",
    ]
    assert watch.went_back
    assert watch.seconds_to("repaired") == 20.0
    assert watch.missing() == [
        "the delivery of the mended release of carrier did not complete",
        "no calls of carrier prove that the mended release is well",
    ]


def test_mended_it_completes_and_calls_without_a_failure_prove_it() -> None:
    watch = watching()
    watch.see_deliveries(delivery("rolled-back", 0.0, "bad"), BEGAN + 20 * SECOND)
    watch.see_edges([edge(BEGAN + 30 * SECOND, 10 * ENOUGH_CALLS, 0)], BEGAN + 40 * SECOND)
    assert watch.seconds_to("verified") is None, "these calls went to v1"
    watch.see_deliveries(delivery("completed", 100.0, "all steps have passed"), BEGAN + 90 * SECOND)
    assert not watch.complete
    watch.see_edges([edge(BEGAN + 90 * SECOND + SETTLED, ENOUGH_CALLS, 0)], BEGAN + 100 * SECOND)
    assert watch.complete
    figures = watch.figures()
    assert (figures["seconds_to_repair"], figures["seconds_to_complete"], figures["seconds_to_verify"]) == (20.0, 90.0, 100.0)


def test_a_release_that_never_went_back_and_deliveries_of_others_or_before_are_no_proof() -> None:
    watch = watching()
    watch.see_deliveries(delivery("completed", 100.0, "all steps have passed"), BEGAN + SECOND)
    watch.see_deliveries(delivery("rolled-back", 0.0, "bad", service="cart"), BEGAN + SECOND)
    watch.see_deliveries(delivery("rolled-back", 0.0, "of the round before", since=BEGAN - 1), BEGAN + SECOND)
    assert len(watch.missing()) == 4


def test_it_is_calm_when_no_window_of_the_last_minute_had_a_failure_by_the_time_of_telemetry() -> None:
    watch = watching()
    watch.see_edges([edge(BEGAN + 10 * SECOND, 9, 3)], BEGAN + 15 * SECOND)
    assert not watch.calm, "it has not gone back"
    watch.see_deliveries(delivery("rolled-back", 0.0, "bad"), BEGAN + 20 * SECOND)
    late = BEGAN + 30 * SECOND  # a call that was under way
    watch.see_edges([edge(late, 9, 1), edge(late + RULE_WINDOW - SECOND, 9, 0)], BEGAN + 900 * SECOND)
    assert not watch.calm, "telemetry is late: it may yet bring failures"
    watch.see_edges([edge(late, 9, 1), edge(late + RULE_WINDOW, 9, 0)], BEGAN + 901 * SECOND)
    assert watch.calm
