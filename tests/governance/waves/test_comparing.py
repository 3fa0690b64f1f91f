from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from components.durations import SECOND
from governance.files import read_policies
from governance.waves.comparing import CallBuffer, ComparingJudge, ObservedCall
from governance.waves.judging import risen_targets
from governance.waves.rollout import AlwaysGood, RolloutConfig, Verdict, Wave, WaveConfig, begin, restore
from spanloom.process.observed_calls import calls_of

if TYPE_CHECKING:
    from collections.abc import Iterable

RELEASED = 1_000 * SECOND
OLD, NEW = "pay|version=v1", "pay|version=v2"
WEIGHTS = Wave("2", "1", 1, ("front",), (), RELEASED, RELEASED + SECOND, ("pay",), (NEW,))
AGENTS = Wave("2", "1", 1, ("a", "b"), ("c", "d"), RELEASED, RELEASED + SECOND, ("pay",))


def call(cluster: str, *, failed: bool = False, duration: float = 5.0, agent: str = "front", at: int = 1) -> ObservedCall:
    return ObservedCall(RELEASED + at * SECOND, agent, "front", cluster, failed, duration)


def judged(wave: Wave, calls: Iterable[ObservedCall], before: Iterable[ObservedCall] = ()) -> tuple[Verdict, str]:
    buffer = CallBuffer()
    buffer.begin("2", before)
    judge = ComparingJudge(AlwaysGood(), buffer)
    buffer.add(calls)
    found = judge.judge(wave, RELEASED + 60 * SECOND)
    return found.verdict, found.why


def test_instances_with_a_larger_share_that_fail_more_often_lose_it() -> None:
    calls = [*(call(OLD) for _ in range(60)), *(call(NEW, failed=number % 2 == 0) for number in range(20))]
    assert judged(WEIGHTS, calls) == (Verdict.BACK, "10 of 20 calls of what is new failed, and 0 of 60 of the rest")


def test_what_both_suffer_is_not_the_release() -> None:
    calls = [call(cluster, failed=number % 2 == 0) for number in range(40) for cluster in (OLD, NEW)]
    verdict, why = judged(WEIGHTS, calls)
    assert verdict is Verdict.GO
    assert "20 of 40 calls of what is new failed, 20 of 40 of the rest: no difference is sure" in why


def test_calls_to_another_service_and_from_before_the_release_do_not_count() -> None:
    bad = [call("cart|version=v2", failed=True), call(NEW, failed=True, at=-1)] * 50
    verdict, why = judged(WEIGHTS, [*bad, *(call(OLD) for _ in range(50))])
    assert (verdict, "calls of what is new" in why) == (Verdict.GO, False)


def test_slower_instances_lose_it_too() -> None:
    before = [call(OLD, duration=float(number), at=-10) for number in range(100)]
    calls = [*(call(OLD, duration=40.0) for _ in range(60)), *(call(NEW, duration=500.0) for _ in range(20))]
    assert judged(WEIGHTS, calls, before) == (Verdict.BACK, "20 of 20 calls of what is new were slow, and 0 of 60 of the rest")


def test_without_weights_agents_that_have_it_are_compared_with_those_that_have_not() -> None:
    calls = [call("pay", failed=agent in "ab", agent=agent) for agent in "abcdef" for _ in range(20)]
    assert judged(AGENTS, calls) == (Verdict.BACK, "40 of 40 calls of what is new failed, and 0 of 40 of the rest")
    inbound = [each._replace(service="pay", cluster="application") for each in calls]
    assert judged(AGENTS, inbound)[0] is Verdict.BACK
    assert judged(AGENTS, [each._replace(cluster="application") for each in calls])[0] is Verdict.GO


def test_evidence_adds_up_until_another_revision_is_released() -> None:
    buffer = CallBuffer()
    judge = ComparingJudge(AlwaysGood(), buffer)
    assert judge.judge(WEIGHTS, RELEASED).verdict is Verdict.GO, "nothing was read yet"
    buffer.begin("2", ())
    verdicts = []
    for _ in range(10):
        buffer.add([*(call(OLD) for _ in range(6)), call(NEW, failed=True), call(NEW)])
        verdicts.append(judge.judge(WEIGHTS, RELEASED).verdict)
    assert verdicts[0] is Verdict.GO
    assert verdicts[-1] is Verdict.BACK
    buffer.begin("3", ())
    following = Wave("3", "1", 1, ("front",), (), RELEASED, RELEASED, ("pay",), (NEW,))
    assert judge.judge(following, RELEASED).verdict is Verdict.GO


ROUTES = """
routes:
  - {name: r, service: pay, rules: [{to: [{labels: {version: v1}, weight: %d}, {labels: {version: v2}, weight: %d}]}]}
"""


@pytest.mark.parametrize(
    ("before", "after", "risen"),
    [((100, 0), (70, 30), (NEW,)), ((70, 30), (30, 70), (NEW,)), ((70, 30), (7, 3), ()), ((0, 1), (1, 0), (OLD,))],
)
def test_what_a_revision_gives_a_larger_share(before: tuple[int, int], after: tuple[int, int], risen: tuple[str, ...]) -> None:
    assert risen_targets(read_policies(ROUTES % before, "a"), read_policies(ROUTES % after, "b")) == risen


def test_a_rollout_keeps_its_targets_over_a_restart_and_one_of_an_older_release_has_none() -> None:
    rollout = begin("2", "1", (WaveConfig(),), RELEASED, ("pay",), (NEW,))
    assert restore(rollout.snapshot()) == rollout
    assert RolloutConfig().waves
    older = {key: value for key, value in rollout.snapshot().items() if key != "targets"}
    assert restore(older).targets == ()


def test_calls_are_read_from_access_logs_alone() -> None:
    log = {
        "_id": "x",
        "@timestamp": RELEASED,
        "attributes": {
            "http.response.status_code": 503,
            "envoy.duration_ms": "12",
            "envoy.upstream_cluster": NEW,
        },
        "resource": {"attributes": {"service.name": "front", "service.namespace": "eu", "service.instance.id": "front-1"}},
    }
    other = {**log, "attributes": {"http.response.status_code": 503}}
    assert calls_of([other, log]) == [ObservedCall(RELEASED, "front-1", "eu/front", NEW, True, 12.0)]
