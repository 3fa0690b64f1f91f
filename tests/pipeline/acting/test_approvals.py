"""An approval link at one of several workers: which of them decides, and by which key."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from alerting.playbooks.api.approval import Approvals, routes
from pipeline.acting.approvals import EnvironmentApprovals, sign_by_kept_key
from telemetry.errors import InputError
from tests.pipeline.test_act import Table

if TYPE_CHECKING:
    from telemetry.documents import Body

NOW, SOON = 1_000, 2_000
ANN = {"decision": "approve", "who": "ann"}


class Deciding:
    """What a desk asks of the runner."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, bool, str]] = []
        self.healer = SimpleNamespace(incidents={"i1": None})

    async def decide(self, incident_id: str, *, approved: bool, who: str) -> None:
        if (incident_id, approved, who) in self.taken:
            raise InputError("it asks nobody any more")
        self.taken.append((incident_id, approved, who))


class Worker:
    """One of several on the same log and table."""

    def __init__(self, log: list[Body], key: bytes = b"") -> None:
        self.runner, self.approvals = Deciding(), Approvals("http://testserver", lambda: NOW)
        self._key = key
        self.owned: dict[str, Any] = {}

        async def pass_on(answer: Body) -> None:
            log.append(answer)

        owned = self.owned
        self.service = EnvironmentApprovals(owned, lambda: bool(owned), pass_on)
        self.client = TestClient(Starlette(routes=routes(self.service)))

    async def own(self, state: Any) -> None:
        await sign_by_kept_key(self.approvals, self._key, state, 0)
        self.owned["default"] = SimpleNamespace(approvals=self.approvals, runner=self.runner)


@pytest.mark.parametrize("key", [b"", b"k" * 32])
async def test_any_worker_takes_an_answer_and_the_owner_decides_it_once(key: bytes) -> None:
    log: list[Body] = []
    state: Any = Table()
    first, second, third = (Worker(log, key) for _ in range(3))
    await first.own(state)
    link = first.approvals.link("i1", SOON)
    first.owned.clear()
    await second.own(state)
    assert third.client.post(link, json=ANN).status_code == 202
    for answer in (*log, *log):  # a crash reads it again
        await second.service.handle(answer)
    assert second.runner.taken == [("i1", True, "ann (by link)")]
    assert first.runner.taken == third.runner.taken == []
    assert second.client.post(link, json=ANN).status_code == 409


async def test_what_another_worker_passed_on_without_a_valid_link_decides_nothing() -> None:
    log: list[Body] = []
    state: Any = Table()
    owner, other = Worker(log), Worker(log)
    await owner.own(state)
    link = owner.approvals.link("i1", SOON)
    for wrong in (link.replace("token=", "token=0"), owner.approvals.link("i1", NOW), link.replace("i1", "i2")):
        assert other.client.post(wrong, json=ANN).status_code == 202
        assert owner.client.post(wrong, json=ANN).status_code == 403
        await owner.service.handle(log.pop())
    assert owner.runner.taken == []
