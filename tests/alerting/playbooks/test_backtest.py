from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alerting.playbooks.backtest import History, backtest
from alerting.playbooks.kernel.safety import SafetyConfig
from alerting.playbooks.model.load import load_playbooks
from telemetry.call_graph import Edge, EdgeKey, Node, NodeKind
from telemetry.documents import edge_body
from telemetry.metrics import ExponentialBuckets, Point, Series
from tests.alerting.playbooks.world import SECOND, START, Alert, Processes, verbs

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pytest

    from alerting.playbooks.backtest import WouldRun
    from telemetry.documents import Body

PLAYBOOK = """
playbooks:
- name: repair
  trigger: {alert: ['severity="critical"']}
  target: {service: $service, instance: $instance}
  conditions: [{expr: 'queue_depth{service="$service"} > 5', because: a short queue heals by itself}]
  approve: automatic
  cooldown: 60s
  steps:
  - {name: restart, action: restart, with: {name: $service}, timeout: 10s, inverse: none}
  verify: {expr: 'up{service="$service"} == 1', for: 10s, within: 60s}
"""


def edge(callee: str, caller: str = "web") -> Body:
    key = EdgeKey(Node(NodeKind.SERVICE, caller), Node(NodeKind.SERVICE, callee), "GET /", "http")
    return edge_body(Edge(key, START, 10 * SECOND, 10, 0, 0, ExponentialBuckets(0, 0, 0.0, 0, ())))


EDGES = [edge(name) for name in ("cart", "shop", "mail")]


def reported(service: str, state: str, seconds: int) -> Body:
    alert = Alert(service, state=state, starts_at=START + seconds * SECOND)
    return {
        "fingerprint": alert.fingerprint,
        "state": state,
        "labels": alert.labels,
        "annotations": {},
        "starts_at": alert.starts_at,
        "time": alert.starts_at,
        "value": alert.value,
        "group": alert.group,
        "expr": alert.expr,
    }


def samples(name: str, values: Iterable[tuple[int, float]], service: str = "cart") -> list[Point]:
    return [Point(Series(name, (("service", service),)), START + second * SECOND, value) for second, value in values]


def play(
    tmp_path: Path, alerts: list[Body], incidents: list[Body] | None = None, points: Iterable[Point] = (), **bounds: Any
) -> tuple[list[WouldRun], list[str]]:
    path, actions = tmp_path / "playbooks.yml", verbs(Processes())
    path.write_text(PLAYBOOK)
    history = History(alerts, EDGES, incidents or [], points)
    runs, refusals = backtest(load_playbooks([path], actions), actions, history, SafetyConfig(**bounds))
    return runs, [refusal.reason for refusal in refusals]


def outcome(runs: list[WouldRun]) -> tuple[bool, str]:
    (run,) = runs
    return run.known, run.outcome


def test_an_alert_that_went_away_in_time_would_not_have_needed_the_repair(tmp_path: Path) -> None:
    runs, _ = play(tmp_path, [reported("cart", "firing", 1), reported("cart", "resolved", 9)])
    assert outcome(runs) == (True, "not needed: the alert resolved by itself after 8 s")


def test_a_repair_that_really_ran_says_how_it_ended(tmp_path: Path) -> None:
    alert = reported("cart", "firing", 1)
    incident = {
        "fingerprint": alert["fingerprint"],
        "playbook": "repair",
        "opened": alert["time"] + SECOND,
        "ended": alert["time"] + 9 * SECOND,
        "state": "closed",
        "why": "recovery verified",
        "steps": [{"progress": "done"}],
    }
    runs, _ = play(tmp_path, [alert, reported("cart", "resolved", 20)], [incident])
    assert outcome(runs) == (True, "it ran: closed, recovery verified")
    runs, _ = play(tmp_path, [alert, reported("cart", "resolved", 20)], [incident | {"playbook": "other"}])
    assert outcome(runs) == (False, "not known: other answered the alert then, and changed what followed")
    denied = incident | {"why": "denied by ann", "steps": [{"progress": "waiting"}]}
    runs, _ = play(tmp_path, [alert, reported("cart", "resolved", 20)], [denied])
    assert outcome(runs) == (True, "not needed: the alert resolved by itself after 19 s")


def test_a_condition_decides_as_it_would_have_on_the_samples_of_its_time(tmp_path: Path) -> None:
    alerts = [reported("cart", "firing", 1), reported("cart", "resolved", 200)]
    short = samples("queue_depth", ((second, 3.0) for second in range(0, 200, 5)))
    runs, refused = play(tmp_path, alerts, points=short)
    assert (runs, len(refused)) == ([], 1)
    assert "condition does not hold" in refused[0]
    growing = samples("queue_depth", ((second, second / 10) for second in range(0, 200, 5)))
    (run,), _ = play(tmp_path, alerts, points=growing)
    assert START + 51 * SECOND < run.time <= START + 61 * SECOND, "when the queue was longer than five"
    assert run.assumed == []


def test_a_condition_of_which_nothing_is_stored_is_taken_as_met_and_named(tmp_path: Path) -> None:
    (run,), _ = play(tmp_path, [reported("cart", "firing", 1)])
    assert run.assumed == ['queue_depth{service="cart"} > 5']
    (run,), refused = play(tmp_path, [reported("cart", "firing", 1)], points=samples("other", [(0, 1.0)]))
    assert (run.assumed, refused) == (['queue_depth{service="cart"} > 5'], [])
    runs, refused = play(tmp_path, [reported("cart", "firing", 1)], points=samples("queue_depth", [(0, 9.0)], "mail"))
    assert (runs, len(refused)) == ([], 1), "the queue of others was known, so that of cart was not too long"


def test_a_verification_that_held_without_a_repair_says_so(tmp_path: Path) -> None:
    alerts = [reported("cart", "firing", 1), reported("cart", "resolved", 400)]
    up = samples("up", ((second, float(second >= 30)) for second in range(0, 100, 5)))
    runs, _ = play(tmp_path, alerts, points=up)
    known, sentence = outcome(runs[:1])
    assert known
    assert sentence in {f"not needed: the verification held after {s} s, though nothing was repaired" for s in range(39, 45)}


def test_what_cannot_be_known_says_why(tmp_path: Path) -> None:
    alerts = [reported("cart", "firing", 1), reported("cart", "resolved", 400)]

    def why(*values: tuple[int, float], name: str = "up") -> str:
        runs, _ = play(tmp_path, alerts, points=samples(name, values))
        known, sentence = outcome(runs)
        assert not known
        return sentence.removeprefix("not known: ")

    down = [(second, 0.0) for second in range(0, 100, 5)]
    assert why() == "nothing is stored of what the verification reads"
    assert why(*down).startswith("without a repair the verification did not hold within 60 s")
    assert why(*down[:5]) == "history ends before the verification's deadline"


def test_cooldown_and_budget_refuse_as_they_would_have(tmp_path: Path) -> None:
    alerts = [
        reported("cart", "firing", 1),
        reported("cart", "resolved", 5),
        reported("cart", "firing", 20),
        reported("cart", "resolved", 21),
    ]
    _, refused = play(tmp_path, alerts, points=samples("up", [(0, 1.0)]))
    assert refused == ["it rests for 55s more"]
    _, refused = play(tmp_path, alerts[:1], max_traffic_share=0.2)
    assert "33% of all calls" in refused[0]


def test_an_open_repair_holds_its_target_and_its_share_as_it_would_have(tmp_path: Path) -> None:
    alerts = [reported("cart", "firing", 1), reported("shop", "firing", 2)]
    for bounds, reason in (({"max_open": 1}, "1 repairs are open"), ({"max_traffic_share": 0.5}, "67% of all calls")):
        runs, refused = play(tmp_path, alerts, **bounds)
        assert [run.service for run in runs] == ["cart"]
        assert reason in refused[0]
    later = [*alerts, reported("cart", "resolved", 40), reported("shop", "resolved", 300)]
    runs, _ = play(tmp_path, later, max_open=1)
    assert [(run.service, (run.time - START) // SECOND) for run in runs] == [("cart", 1), ("shop", 65)], "after 60 s"


def test_a_repair_that_really_ran_holds_its_target_until_it_really_ended(tmp_path: Path) -> None:
    cart = reported("cart", "firing", 1)
    real = {
        "fingerprint": cart["fingerprint"],
        "playbook": "repair",
        "opened": cart["time"],
        "ended": cart["time"] + 20 * SECOND,
        "state": "escalated",
        "why": "step 'restart' failed",
        "steps": [{"progress": "failed"}],
    }
    alerts = [cart, reported("shop", "firing", 2), reported("shop", "resolved", 300)]
    runs, _ = play(tmp_path, alerts, [real], max_open=1)
    assert [(run.service, (run.time - START) // SECOND) for run in runs] == [("cart", 1), ("shop", 27)], "at the next look"
    assert runs[0].outcome == "it ran: escalated, step 'restart' failed", "a human has it, and no second run answers it"
    runs, refused = play(tmp_path, alerts, [real], max_open=1, breaker_failures=1)
    assert len(runs) == 1
    assert "1 repairs in a row were not proven" in refused[-1]


def test_repairs_without_proof_in_what_is_stored_open_the_breaker(tmp_path: Path) -> None:
    alerts = [
        reported("cart", "firing", 1),
        reported("shop", "firing", 100),
        reported("mail", "firing", 101),
        reported("mail", "resolved", 120),
    ]
    runs, refused = play(tmp_path, alerts, breaker_failures=1)
    assert [run.service for run in runs] == ["cart"]
    assert all("1 repairs in a row were not proven" in reason for reason in refused)


def test_a_human_is_taken_to_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.PLAYBOOK", PLAYBOOK.replace("approve: automatic", "approve: {human: 5s}"))
    runs, _ = play(tmp_path, [reported("cart", "firing", 1), reported("cart", "resolved", 31)], dry_run=True)
    assert outcome(runs) == (True, "not needed: the alert resolved by itself after 30 s")


def test_a_service_is_not_repaired_for_what_another_does_to_it(tmp_path: Path) -> None:
    alerts = [reported("cart", "firing", 1), reported("web", "firing", 2)]
    runs, refused = play(tmp_path, alerts)
    assert [run.service for run in runs] == ["cart"]
    assert refused == ["cart has an alert itself: web -> cart"]
