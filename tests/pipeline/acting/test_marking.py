from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from components.durations import DAY, HOUR
from pipeline.acting.marking import routes
from pipeline.exchange import codec
from pipeline.exchange.codec import BatchKind
from processors.feedback.mark import LASTS, evidence_key
from processors.feedback.marks import SETTLES
from telemetry.documents import Kind, anomaly_document, culprits_document
from telemetry.findings import Anomaly, AnomalyKind, CulpritRanking, Evidence, Suspect
from telemetry.metrics import Point, Series
from tests.identified import Identified
from tests.pipeline.parts import MemoryStore
from tests.pipeline.test_act import SECOND, World

if TYPE_CHECKING:
    from pathlib import Path

    from telemetry.documents import Body

START = 1_700_000_000 * SECOND
QUEUE = Series("queue_depth", (("service_name", "cart"),))
ANOMALY = Anomaly(AnomalyKind.METRIC, QUEUE, "cart", START, START + SECOND, 0.9, 1.0, 9.0, "", "9, usually 1")
RANKING = CulpritRanking(
    START,
    "default",
    "",
    (
        Suspect("shop", 3.0, evidence=(Evidence("metric", 2.0, "cpu"), Evidence("trace", 1.0, "slow"))),
        Suspect("cart", 2.5, evidence=(Evidence("trace", 2.5, "slow"),)),
    ),
)


class Marked(World):
    """A worker whose store has an anomaly and a ranking; what goes to stage 3 is kept."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.found = MemoryStore()
        self.to_score: list[Body] = []

    async def prepare(self) -> None:
        await self.begin()
        await self.found.write([anomaly_document(ANOMALY), culprits_document(RANKING)])

    async def share(self, batch: BatchKind, body: Body) -> None:
        if batch is BatchKind.MARKS:
            self.to_score.append(body)
        else:
            await super().share(batch, body)

    @property
    def people(self) -> TestClient:
        return TestClient(Identified(Starlette(routes=routes(self.settings, self.found, lambda: self.time)), "ann"))

    def id(self, kind: Kind) -> str:
        return next(id_ for of, id_ in self.found.documents if of is kind)

    def say(self, kind: Kind, **body: str) -> tuple[int, Any]:
        path = {Kind.ANOMALY: "anomalies", Kind.CULPRIT: "rankings"}[kind]
        answer = self.people.post(f"/api/v1/{path}/{self.id(kind)}/mark", json=body)
        return answer.status_code, answer.json()


@pytest.fixture
async def world(tmp_path: Path) -> Marked:
    made = Marked(tmp_path)
    await made.prepare()
    return made


async def test_a_mark_is_listed_audited_by_name_and_sent_to_stage_3(world: Marked) -> None:
    status, mark = world.say(Kind.ANOMALY, verdict="expected", note="load test", **{"for": "2h"})
    assert status == 200
    assert (mark["who"], mark["verdict"], mark["about"]) == ("ann", "expected", "metric of cart: 9, usually 1")
    assert mark["expires"] - mark["at"] == 2 * HOUR
    assert world.people.get("/api/v1/marks").json() == {"marks": [mark]}
    assert world.people.get("/api/v1/marks?environment=staging").json() == {"marks": []}
    (sent,) = world.to_score
    assert {name: sent[name] for name in mark} == mark
    await world.stage.tick()
    await world.writer.settle()
    audit = [document.body for (kind, _), document in world.store.documents.items() if kind is Kind.AUDIT]
    (said,) = [body for body in audit if body["event"] == "anomaly-marked"]
    assert said["data"]["who"] == "ann"
    assert said["data"]["note"] == "load test"
    assert said["data"]["anomaly"] == world.id(Kind.ANOMALY)


@pytest.mark.parametrize(
    ("kind", "body", "why"),
    [
        (Kind.ANOMALY, {}, "right, wrong, expected"),
        (Kind.ANOMALY, {"verdict": "wrong", "for": "1h"}, "of the verdict expected"),
        (Kind.ANOMALY, {"verdict": "expected", "for": "8d"}, "up to 1w"),
        (Kind.ANOMALY, {"verdict": "expected", "for": "0"}, "up to 1w"),
        (Kind.ANOMALY, {"verdict": "expected", "for": "soon"}, "not a duration"),
        (Kind.CULPRIT, {"verdict": "expected"}, "mark the anomaly"),
        (Kind.CULPRIT, {"verdict": "wrong", "cause": "bank"}, "no suspect"),
        (Kind.CULPRIT, {"verdict": "wrong", "cause": "shop"}, "shop first"),
        (Kind.CULPRIT, {"verdict": "right", "cause": "cart"}, "shop first"),
    ],
    ids=lambda value: " ".join(value.values()) if isinstance(value, dict) else "",
)
async def test_what_cannot_be_meant_is_refused_and_says_why(world: Marked, kind: Kind, body: dict[str, str], why: str) -> None:
    status, answer = world.say(kind, **body)
    assert status == 400
    assert why in answer["error"]
    assert len(world.settings.marks) == 0


async def test_what_is_not_stored_cannot_be_marked(world: Marked) -> None:
    answer = world.people.post("/api/v1/anomalies/none/mark", json={"verdict": "right"})
    assert answer.status_code == 404


async def test_whoever_says_that_another_was_to_blame_moves_both(world: Marked) -> None:
    status, mark = world.say(Kind.CULPRIT, verdict="wrong", cause="cart")
    assert (status, mark["about"]) == (200, "shop first of 2; the cause was cart")
    assert mark["expires"] == mark["at"] + LASTS
    later, weight = world.time + SETTLES, world.settings.marks.weight
    assert weight("default", evidence_key("shop", "metric"), later) < 1
    assert weight("default", evidence_key("cart", "trace"), later) > 1
    assert weight("default", evidence_key("cart", "metric"), later) == 1
    assert world.to_score == []


async def test_the_next_ranking_is_weighed_by_what_was_said(world: Marked) -> None:
    world.culprits.ranking = RANKING.ranking
    for _ in range(3):
        world.say(Kind.CULPRIT, verdict="wrong", cause="cart")
        world.time += SECOND
    world.time += SETTLES
    world.feed(BatchKind.POINTS, codec.encode_points([Point(Series("queue_depth"), world.time, 1.0)]))
    (document,) = await world.stage.rank()
    assert [each["service"] for each in document.body["ranking"]] == ["cart", "shop"]


async def test_marks_outlive_the_process(world: Marked) -> None:
    world.say(Kind.ANOMALY, verdict="wrong")
    await world.crash()
    await world.begin()
    (mark,) = world.people.get("/api/v1/marks").json()["marks"]
    assert mark["verdict"] == "wrong"
    world.time += LASTS + DAY
    assert world.people.get("/api/v1/marks").json() == {"marks": []}


async def test_another_worker_hears_of_it(world: Marked, tmp_path: Path) -> None:
    world.say(Kind.CULPRIT, verdict="wrong")
    other = Marked(tmp_path)
    await other.begin()
    other.settings.receive([{"marks": world.settings.marks.changes(0)}])
    await other.settings.apply_received()
    assert other.settings.marks.snapshot() == world.settings.marks.snapshot()
