from __future__ import annotations

from typing import Any

from spanloom.experiments.mesh.canary_watch import ENOUGH_CALLS, SETTLED, CanaryWatch
from spanloom.experiments.watch import Injection

SECOND = 1_000_000_000
RELEASED = 1_000 * SECOND
TAKEN_BACK = RELEASED + 30 * SECOND
WINDOW = 10 * SECOND


def watching() -> CanaryWatch:
    return CanaryWatch(Injection("carrier", {"kind": "release", "percent": 30}, RELEASED), revision="2")


def rollout(state: str, why: str, revision: str = "2") -> dict[str, Any]:
    return {"revision": revision, "state": state, "why": why}


def edge(window: int, calls: int, failures: int, callee: str = "carrier") -> dict[str, Any]:
    return {"callee": {"name": callee}, "window": window, "calls": calls, "failures": failures}


def taken_back() -> CanaryWatch:
    watch = watching()
    watch.see_rollout(rollout("rolled-back", "since wave 1 there fires ServiceErrors of carrier"), TAKEN_BACK)
    return watch


def texts(watch: CanaryWatch) -> list[str]:
    return [entry.text for entry in watch.entries]


def test_each_state_of_the_release_is_said_once_and_its_end_is_the_repair() -> None:
    watch = watching()
    for _ in range(2):
        watch.see_rollout(rollout("soaking", "1 agents have it; watched"), RELEASED + SECOND)
    assert watch.seconds_to("repaired") is None
    watch.see_rollout(rollout("rolled-back", "ServiceErrors of carrier"), TAKEN_BACK)
    assert texts(watch) == [
        "revision 2 is soaking: 1 agents have it; watched",
        "revision 2 is rolled-back: ServiceErrors of carrier",
    ]
    assert watch.seconds_to("repaired") == 30.0
    assert watch.missing() == ["no calls of carrier prove that the release is gone"]


def test_another_release_is_none_of_its() -> None:
    watch = watching()
    watch.see_rollout(None, RELEASED)
    watch.see_rollout(rollout("rolled-back", "by ann", revision="1"), TAKEN_BACK)
    assert watch.entries == []
    assert "the release of carrier was not taken back" in watch.missing()


def test_calls_without_a_failure_since_then_prove_it() -> None:
    watch = taken_back()
    first = TAKEN_BACK + SETTLED
    watch.see_edges([edge(first, ENOUGH_CALLS - 1, 0), edge(first, 5, 0, "cart")], TAKEN_BACK + 20 * SECOND)
    assert watch.seconds_to("verified") is None
    watch.see_edges([edge(first, ENOUGH_CALLS - 1, 0), edge(first + WINDOW, 1, 0)], TAKEN_BACK + 30 * SECOND)
    assert watch.seconds_to("verified") == 60.0


def test_calls_before_it_or_before_a_failure_prove_nothing() -> None:
    watch = taken_back()
    first = TAKEN_BACK + SETTLED
    before, failing = edge(TAKEN_BACK, 100, 0), [edge(first, 100, 0), edge(first, 3, 1)]
    watch.see_edges([before, *failing], TAKEN_BACK + 20 * SECOND)
    assert watch.seconds_to("verified") is None
    watch.see_edges([before, *failing, edge(first + WINDOW, ENOUGH_CALLS, 0)], TAKEN_BACK + 40 * SECOND)
    assert watch.seconds_to("verified") == 70.0


def test_nothing_is_proven_while_the_release_is_out() -> None:
    watch = watching()
    watch.see_edges([edge(RELEASED + WINDOW, 100, 0)], RELEASED + 20 * SECOND)
    assert "no calls of carrier prove that the release is gone" in watch.missing()
