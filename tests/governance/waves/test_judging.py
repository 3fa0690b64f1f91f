"""Alerts judge a wave."""

from __future__ import annotations

import pytest

from alerting.alerts import StoredAlert
from components.durations import SECOND
from governance.files import read_policies
from governance.waves.judging import AlertJudge, changed_services
from governance.waves.rollout import Member, RolloutConfig, State, Verdict, Wave, WaveConfig, advance, begin, restore

RELEASED, NOW = 100 * SECOND, 200 * SECOND
WAVE = Wave("2", "1", 1, ("a",), ("b",), RELEASED, RELEASED + SECOND, ("pay", "shop/stock"))


def alert(since: int, ends: int = 0, **labels: str) -> StoredAlert:
    return StoredAlert({"alertname": "Slow", **labels}, {}, since, ends, since)


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (alert(RELEASED, service="pay"), Verdict.BACK),
        (alert(RELEASED - 1, service="pay"), Verdict.GO),  # it fired before
        (alert(RELEASED, NOW, service="pay"), Verdict.GO),  # it has ended
        (alert(RELEASED, NOW + 1, service="pay"), Verdict.BACK),
        (alert(RELEASED, service="cart"), Verdict.GO),
        (alert(RELEASED), Verdict.GO),
        (alert(RELEASED, service="stock", service_namespace="shop"), Verdict.BACK),
        (alert(RELEASED, service="stock", service_namespace="other"), Verdict.GO),
    ],
)
def test_an_alert_of_a_changed_service_that_began_since_the_wave_takes_it_back(found: StoredAlert, verdict: Verdict) -> None:
    judged = AlertJudge(lambda: [found]).judge(WAVE, NOW)
    assert judged.verdict is verdict
    assert ("Slow of" in judged.why) is (verdict is Verdict.BACK)


def test_a_rollout_ends_with_the_alert_as_its_reason_also_after_a_restart() -> None:
    config = RolloutConfig()
    rollout = begin("2", "1", (WaveConfig(share=50), WaveConfig()), RELEASED, ("pay",))
    members = [Member("a", {}, True, "2"), Member("b", {}, True, "2")]
    quiet = AlertJudge(list)
    rollout = restore(advance(rollout, members, quiet, config, RELEASED + SECOND).snapshot())
    assert rollout.state is State.SOAKING
    ended = advance(rollout, members, AlertJudge(lambda: [alert(RELEASED + SECOND, service="pay")]), config, NOW)
    assert (ended.state, ended.why) == (State.ROLLED_BACK, "since wave 1 there fires Slow of pay")
    assert "no alert of pay has begun since" in advance(rollout, members, quiet, config, NOW).why


BEFORE = """
services: [{name: pay}, {name: cart}]
limits: [{name: most, service: pay, requests: 5, per: 1s}]
mtls: [{name: all, service: "*", mode: permissive}]
"""


@pytest.mark.parametrize(
    ("old", "new", "services"),
    [
        ("requests: 5", "requests: 6", ("pay",)),
        ("permissive", "strict", ("*",)),
        ("{name: cart}", "{name: cart, hosts: [basket]}", ("cart",)),
        (", {name: cart}", "", ("cart",)),
        ("name: most", "name: most", ()),
    ],
)
def test_what_a_revision_changes(old: str, new: str, services: tuple[str, ...]) -> None:
    assert changed_services(read_policies(BEFORE, "a"), read_policies(BEFORE.replace(old, new), "b")) == services
