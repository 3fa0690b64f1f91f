"""Two environments in stage 4: what one of them does, the other neither sees nor pays for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.acting.environments import MAX_NAME
from pipeline.exchange import codec
from pipeline.exchange.codec import BatchKind
from telemetry.documents import Kind
from telemetry.environment import DEFAULT_ENVIRONMENT, OTHER_ENVIRONMENT
from telemetry.metrics import Point, Series
from tests.alerting.playbooks.world import PLAYBOOK
from tests.pipeline.test_act import SECOND, World, firing

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.acting.alerting import Alerting

RULES = """
groups:
- name: depths
  interval: 1s
  rules:
  - {alert: Deep, expr: "max(queue_depth) > 10", labels: {service: queue}}
"""


class TwoEnvironments(World):
    """The default environment and `staging`, each with one queue."""

    def __init__(self, folder: Path, rules: str = RULES, **settings: Any) -> None:
        super().__init__(folder, rules, **settings)

    async def depths(self, count: int, **depths: float) -> None:
        """So many seconds in which the queues have these depths, by environment."""
        for _ in range(count):
            self.time += SECOND
            points = [
                Point(Series("queue_depth", labels(environment)), self.time, depth) for environment, depth in depths.items()
            ]
            self.feed(BatchKind.POINTS, codec.encode_points(points))
            await self.stage.tick()
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    def of(self, environment: str) -> Alerting:
        alerting = self.stage.environments[environment].alerting
        assert alerting is not None
        return alerting

    def firing(self) -> dict[str, list[str]]:
        """The names of what fires, by environment."""
        return {
            name: [alert.labels["alertname"] for alert in self.of(name).engine.active()] for name in self.stage.environments
        }


def labels(environment: str) -> tuple[tuple[str, str], ...]:
    return () if environment == DEFAULT_ENVIRONMENT else (("deployment_environment_name", environment),)


@pytest.fixture
async def world(tmp_path: Path) -> TwoEnvironments:
    made = TwoEnvironments(tmp_path)
    await made.begin()
    return made


async def test_a_rule_fires_in_the_environment_that_breaks_and_not_in_the_other(world: TwoEnvironments) -> None:
    await world.depths(5, default=1.0, staging=50.0)
    assert world.firing() == {"default": [], "staging": ["Deep"]}
    (alert,) = world.client.get("/api/v2/alerts").json()
    assert alert["labels"] == {"alertname": "Deep", "service": "queue", "environment": "staging"}
    stored = [document.body for (kind, _), document in world.store.documents.items() if kind is Kind.ALERT]
    assert {body["environment"] for body in stored} == {"staging"}


async def test_alerts_alike_of_two_environments_are_two_to_receivers(world: TwoEnvironments) -> None:
    await world.depths(5, default=50.0, staging=50.0)
    assert world.pager.got == [("firing", ["Deep"])] * 2
    groups = world.client.get("/api/v2/alerts/groups").json()
    assert [group["labels"] for group in groups] == [{}, {"environment": "staging"}]
    notifications = [id_ for (kind, id_) in world.store.documents if kind is Kind.NOTIFICATION]
    assert len(notifications) == 2


async def test_a_silence_is_global_and_may_name_an_environment(world: TwoEnvironments) -> None:
    await world.depths(2, default=1.0, staging=1.0)
    body = {
        "matchers": [{"name": "environment", "value": "staging", "isRegex": False}],
        "startsAt": "2023-11-14T00:00:00Z", "endsAt": "2033-11-14T00:00:00Z", "createdBy": "ann", "comment": "tests",
    }  # fmt: skip
    assert world.client.post("/api/v2/silences", json=body).status_code == 200
    await world.depths(5, default=50.0, staging=50.0)
    assert world.pager.got == [("firing", ["Deep"])], "that of the default environment"
    await world.crash()
    await world.begin()
    await world.depths(5, default=50.0, staging=50.0)
    (silence,) = world.client.get("/api/v2/silences").json()
    assert silence["comment"] == "tests"
    assert world.pager.got == [("firing", ["Deep"])]


async def test_each_goes_on_firing_over_a_crash_by_its_own_time(world: TwoEnvironments) -> None:
    await world.depths(30, default=1.0, staging=50.0)
    (began,) = {alert.active_at for alert in world.of("staging").engine.active()}
    await world.crash()
    await world.begin()
    await world.depths(3, default=1.0, staging=50.0)
    assert {alert.active_at for alert in world.of("staging").engine.active()} == {began}
    assert world.pager.got == [("firing", ["Deep"])]


async def test_the_time_of_a_silent_environment_goes_on_while_another_is_busy(world: TwoEnvironments) -> None:
    await world.depths(5, default=1.0, staging=50.0)
    await world.depths(400, default=1.0)
    assert world.firing() == {"default": [], "staging": []}, "its samples are stale by now"
    assert world.pager.got == [("firing", ["Deep"]), ("resolved", ["Deep"])]
    staging, default = (world.stage.environments[name].event_time for name in ("staging", DEFAULT_ENVIRONMENT))
    assert staging <= default
    assert default - staging < 5 * SECOND


async def test_a_silent_environment_holds_no_records_of_a_busy_one_for_ever(world: TwoEnvironments) -> None:
    await world.depths(5, default=1.0, staging=1.0)
    await world.depths(400, default=1.0)
    assert world.log[4].acked


async def test_budgets_and_audit_trails_are_each_environments_own(tmp_path: Path) -> None:
    world = TwoEnvironments(tmp_path, plan=PLAYBOOK)
    await world.begin()
    await world.depths(2, default=1.0, staging=1.0)
    healer = world.of("staging").runner.healer
    healer.traffic.add("db", 10, world.time)
    healer.traffic.add("web", 90, world.time)
    healer.traffic.see([("db", "a")], world.time)
    await world.of("staging").runner.on_alert(firing("db", world.time))
    await world.depths(20, default=1.0, staging=1.0)
    chains = {document.body["chain"] for (kind, _), document in world.store.documents.items() if kind is Kind.AUDIT}
    assert chains == {"staging"}
    assert {document.body["environment"] for (kind, _), document in world.store.documents.items() if kind is Kind.INCIDENT} == {
        "staging"
    }
    assert world.of("default").runner.healer.journal.chain.sequence == 0


async def test_stopping_repairs_stops_them_everywhere_or_in_one(world: TwoEnvironments) -> None:
    await world.depths(2, default=1.0, staging=1.0)
    assert world.client.post("/api/v1/healing/stop?environment=staging", json={}).status_code == 200
    stopped = world.client.get("/api/v1/healing").json()["environments"]
    assert (bool(stopped["default"]), bool(stopped["staging"])) == (False, True)
    assert world.client.post("/api/v1/healing/stop", json={}).status_code == 200
    assert all(world.client.get("/api/v1/healing").json()["environments"].values())
    await world.depths(2, default=1.0, staging=1.0)
    told = [alert["labels"] for alert in world.client.get("/api/v2/alerts").json()]
    assert sorted(labels.get("environment", "") for labels in told) == ["", "staging"], "receivers see which"
    assert world.client.post("/api/v1/healing/stop?environment=none", json={}).status_code == 400


async def test_repairs_that_are_stopped_everywhere_are_so_in_an_environment_that_comes_later(world: TwoEnvironments) -> None:
    await world.depths(2, default=1.0)
    assert world.client.post("/api/v1/healing/stop", json={}).status_code == 200
    await world.crash()
    await world.begin()
    await world.depths(2, default=1.0, staging=1.0)
    assert all(world.client.get("/api/v1/healing").json()["environments"].values())
    assert world.client.post("/api/v1/healing/resume", json={}).status_code == 200
    await world.depths(2, default=1.0, staging=1.0, test=1.0)
    assert world.client.get("/api/v1/healing").json()["environments"] == {"default": "", "staging": "", "test": ""}


async def test_rules_over_http_hold_in_every_environment_also_in_one_that_comes_later(world: TwoEnvironments) -> None:
    await world.depths(1, default=1.0)
    body = "name: more\ninterval: 1s\nrules:\n- {alert: Shallow, expr: max(queue_depth) < 5}\n"
    answer = world.client.post("/api/v1/rules/ours", content=body, headers={"content-type": "application/yaml"})
    assert answer.status_code == 202
    await world.depths(3, default=1.0, staging=1.0)
    assert world.firing() == {"default": ["Shallow"], "staging": ["Shallow"]}


async def test_environments_beyond_the_limit_share_one_that_is_called_other(tmp_path: Path) -> None:
    world = TwoEnvironments(tmp_path)
    world._config = world._config.model_copy(update={"max_environments": 2})
    await world.begin()
    await world.depths(3, default=1.0, one=1.0, two=1.0, three=50.0, four=1.0)
    long = "n" * (MAX_NAME + 1)
    await world.depths(3, default=1.0, **{long: 1.0})
    names = [DEFAULT_ENVIRONMENT, "one", "two", OTHER_ENVIRONMENT]
    assert list(world.stage.environments) == names
    assert world.firing()[OTHER_ENVIRONMENT] == ["Deep"]
    assert world.stage.dropped["environments"] == 3 * 2 + 3
    await world.crash()
    await world.begin()
    assert sorted(world.stage.environments) == sorted(names), "in the same order of admission, not of arrival"


GLOBAL = (
    RULES
    + """
- name: all
  interval: 1s
  scope: global
  rules:
  - {alert: DeepTogether, expr: "sum(queue_depth) > 60"}
  - {alert: DeepSomewhere, expr: "max by (deployment_environment_name) (queue_depth) > 40"}
"""
)


async def test_a_group_of_global_scope_runs_once_over_all_environments(tmp_path: Path) -> None:
    world = TwoEnvironments(tmp_path, rules=GLOBAL)
    await world.begin()
    await world.depths(5, default=35.0, staging=1.0)
    assert world.firing() == {"default": ["Deep"], "*": [], "staging": []}
    await world.depths(5, default=35.0, staging=50.0)
    assert world.firing() == {"default": ["Deep"], "*": ["DeepTogether", "DeepSomewhere"], "staging": ["Deep"]}
    groups = [(group["environment"], group["name"]) for group in world.client.get("/api/v1/rules").json()["data"]["groups"]]
    assert groups == [("*", "all"), ("default", "depths"), ("staging", "depths")]
    labels_of = {alert.labels["alertname"]: dict(alert.labels) for alert in world.of("*").engine.active()}
    assert labels_of["DeepSomewhere"] == {"alertname": "DeepSomewhere", "deployment_environment_name": "staging"}
    (began,) = {alert.active_at for alert in world.of("*").engine.active()}
    await world.crash()
    await world.begin()
    await world.depths(2, default=35.0, staging=50.0)
    assert {alert.active_at for alert in world.of("*").engine.active()} == {began}
    assert [names for _, names in world.pager.got].count(["DeepTogether"]) <= 1


async def test_no_telemetry_can_name_itself_the_environment_of_all(tmp_path: Path) -> None:
    world = TwoEnvironments(tmp_path, rules=GLOBAL)
    await world.begin()
    await world.depths(3, **{"*": 50.0})
    assert world.firing() == {"default": [], "*": ["DeepSomewhere"], "other": ["Deep"]}


async def test_an_environment_that_telemetry_names_in_the_middle_of_a_round_disturbs_it_not(world: TwoEnvironments) -> None:
    await world.depths(2, default=1.0)
    default, names = world.of("default"), iter(("staging", "test", "canary"))
    save = default.save

    async def slowly() -> None:
        points = [Point(Series("queue_depth", labels(next(names))), world.time, 50.0)]
        world.feed(BatchKind.POINTS, codec.encode_points(points))
        await save()

    default.save = slowly  # type: ignore[method-assign]
    await world.depths(1, default=50.0)  # it fires, and so is saved
    assert world.client.post("/api/v2/alerts", json=[{"labels": {"alertname": "Posted"}}]).status_code == 200
    default.save = save  # type: ignore[method-assign]
    await world.depths(2, default=50.0)
    assert {name for name, alerts in world.firing().items() if alerts} == {"default", "staging", "test"}
