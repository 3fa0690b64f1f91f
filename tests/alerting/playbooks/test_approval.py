from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from alerting.playbooks.approval import Approvals
from telemetry.errors import InputError
from tests.alerting.playbooks.world import SECOND, START

KEY = b"k" * 32


class Decisions:
    def __init__(self) -> None:
        self.taken: list[tuple[str, bool, str]] = []

    async def decide(self, incident_id: str, *, approved: bool, who: str) -> None:
        if incident_id == "over":
            raise InputError("it is closed and asks nobody")
        self.taken.append((incident_id, approved, who))


class Desk:
    def __init__(self) -> None:
        self.now = START
        self.decisions = Decisions()
        self.approvals = Approvals(KEY, "http://testserver", lambda: self.now)
        self.client = TestClient(Starlette(routes=list(self.approvals.routes(self.decisions))))


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_opening_the_link_decides_nothing_and_the_form_decides(desk: Desk) -> None:
    link = desk.approvals.link("i1", START + SECOND)
    page = desk.client.get(link)
    assert page.status_code == 200
    assert "i1" in page.text
    assert not desk.decisions.taken
    assert desk.client.post(link, data={"decision": "approve", "who": "ann"}).status_code == 200
    assert desk.client.post(link, json={"decision": "deny", "who": "bob"}).status_code == 200
    assert desk.decisions.taken == [("i1", True, "ann"), ("i1", False, "bob")]


def test_a_link_of_another_incident_a_longer_life_or_another_key_is_refused(desk: Desk) -> None:
    link = desk.approvals.link("i1", START + SECOND)
    answer = {"decision": "approve", "who": "ann"}
    forged = Approvals(b"x" * 32, "http://testserver", lambda: START).link("i1", START + SECOND)
    for wrong in (
        link.replace("/i1/", "/i2/"),
        link.replace(str(START + SECOND), str(START + 9 * SECOND)),
        forged,
        link.split("?")[0],
    ):
        assert desk.client.post(wrong, data=answer).status_code == 403
        assert desk.client.get(wrong).status_code == 403
    assert not desk.decisions.taken


def test_an_expired_link_is_refused(desk: Desk) -> None:
    link = desk.approvals.link("i1", START + SECOND)
    desk.now = START + SECOND
    answer = desk.client.post(link, data={"decision": "approve", "who": "ann"})
    assert answer.status_code == 403
    assert "expired" in answer.json()["error"]


def test_an_answer_without_a_name_or_too_late_is_told_so(desk: Desk) -> None:
    link = desk.approvals.link("i1", START + SECOND)
    assert desk.client.post(link, data={"decision": "approve"}).status_code == 400
    assert desk.client.post(link, json=[1]).status_code == 400
    assert desk.client.post(link, content=b"x" * 5000).status_code == 400
    over = desk.approvals.link("over", START + SECOND)
    assert desk.client.post(over, data={"decision": "deny", "who": "ann"}).status_code == 409


def test_a_short_key_is_refused() -> None:
    with pytest.raises(InputError, match="at least 32"):
        Approvals(b"short", "http://x", lambda: 0)
