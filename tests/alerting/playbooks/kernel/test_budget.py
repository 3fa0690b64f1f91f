from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from alerting.playbooks.kernel.messages import Result
from tests.alerting.playbooks.world import SECOND, START, Alert, Processes, healer, playbooks

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from alerting.playbooks.model.plan import Playbook

SCHEDULES = 10_000


@pytest.mark.timeout(1800)  # a quarter of a minute on an idle machine
def test_the_blast_radius_never_exceeds_its_budget_in_ten_thousand_random_schedules(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plans = playbooks(tmp_path)
    widest = [schedule(plans, random.Random(seed)) for seed in range(SCHEDULES)]
    shared = sum(each > 1 for each in widest)
    assert shared > SCHEDULES / 4, "schedules that touch one target at a time would prove little"
    with capsys.disabled():  # what was covered, for whoever runs it
        print(f"\nbudget held in {SCHEDULES} schedules; {shared} touched several targets, {max(widest)} at most")  # noqa: T201


def schedule(plans: Sequence[Playbook], chance: random.Random) -> int:
    """One random history; the most targets that were touched at a time. Shares come from calls counted here."""
    names = [f"s{i}" for i in range(chance.randint(2, 6))]
    calls = {name: chance.randint(0, 100) for name in names}
    bounds = {"max_instances": chance.randint(1, 4), "max_traffic_share": chance.choice([0.2, 0.5, 0.8, 1.0]), "max_open": 6}
    world = Processes(curable=chance.random() < 0.7, sick={f"{name}/a" for name in names if chance.random() < 0.7})
    made = healer(plans, world, (), max_starts=100, breaker_failures=100, **bounds)
    for name in names:
        made.traffic.add(name, calls[name], START)
        made.on_alert(Alert(name), START)
    now, under_way, widest = START, dict[str, tuple[str, str]](), 0
    for _ in range(chance.randint(4, 16)):
        now += chance.choice([0, 1, 1, 7, 40]) * SECOND
        match chance.randrange(4):
            case 0:
                made.on_alert(Alert(chance.choice(names), starts_at=now), now)
            case 1 | 2:
                made.advance(now)
                for run in made.runs():
                    under_way.setdefault(run.id, (run.call.action, run.call.arguments["name"]))
            case 3 if under_way:
                key = chance.choice(sorted(under_way))
                verb, name = under_way.pop(key)
                ok = chance.random() < 0.8
                if ok:
                    world.do(verb, name, key)
                made.on_result(Result(key, ok=ok), now)
                for run in made.runs():
                    under_way.setdefault(run.id, (run.call.action, run.call.arguments["name"]))
        touched = world.isolated | {name for _, name in under_way.values()}
        share = sum(calls[name.split("/")[0]] for name in touched) / (sum(calls.values()) or 1)
        assert len(touched) <= bounds["max_instances"]
        assert share <= bounds["max_traffic_share"] + 1e-9
        widest = max(widest, len(touched))
    return widest
