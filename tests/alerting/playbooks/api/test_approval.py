from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from alerting.playbooks.api.approval import Answer, ApprovalLinkError, Approvals, routes
from telemetry.errors import ConfigError, InputError
from tests.alerting.playbooks.world import SECOND, START
from tests.identified import Identified

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = b"k" * 32


class Desk:
    """The desk of the process that decides."""

    def __init__(self) -> None:
        self.now = START
        self.taken: list[tuple[str, bool, str]] = []
        self.owner = True
        self.approvals = approvals_of(KEY, lambda: self.now)
        self.app = Starlette(routes=list(routes(self)))
        self.client = TestClient(self.app)

    def check(self, incident: str, expires: str, token: str) -> None:
        if self.owner:
            self.approvals.check(incident, expires, token)

    async def answer(self, answer: Answer) -> bool:
        if answer.incident == "over":
            raise InputError("it is closed and asks nobody")
        self.taken.append((answer.incident, answer.approved, answer.who))
        return self.owner


def approvals_of(key: bytes, now: Callable[[], int] = lambda: START) -> Approvals:
    approvals = Approvals("http://testserver", now)
    approvals.sign_by(key)
    return approvals


@pytest.fixture
def approvals() -> Desk:
    return Desk()


def test_opening_the_link_decides_nothing_and_the_form_decides(approvals: Desk) -> None:
    link = approvals.approvals.link("i1", START + SECOND)
    page = approvals.client.get(link)
    assert page.status_code == 200
    assert "i1" in page.text
    assert not approvals.taken
    assert approvals.client.post(link, data={"decision": "approve", "who": "ann"}).status_code == 200
    assert approvals.client.post(link, json={"decision": "deny", "who": "bob"}).status_code == 200
    assert approvals.taken == [("i1", True, "ann (by link)"), ("i1", False, "bob (by link)")]


def test_who_is_logged_in_answers_under_that_name_whatever_the_body_says(approvals: Desk) -> None:
    link = approvals.approvals.link("i1", START + SECOND)
    ann = TestClient(Identified(approvals.app, "ann"))
    assert "You are ann." in ann.get(link).text
    assert ann.post(link, json={"decision": "approve", "who": "bob"}).status_code == 200
    assert ann.post(link, data={"decision": "deny"}).status_code == 200
    assert approvals.taken == [("i1", True, "ann"), ("i1", False, "ann")]


def test_a_link_of_another_incident_a_longer_life_or_another_key_is_refused(approvals: Desk) -> None:
    link = approvals.approvals.link("i1", START + SECOND)
    answer = {"decision": "approve", "who": "ann"}
    forged = approvals_of(b"x" * 32).link("i1", START + SECOND)
    for wrong in (
        link.replace("/i1/", "/i2/"),
        link.replace(str(START + SECOND), str(START + 9 * SECOND)),
        forged,
        link.split("?")[0],
    ):
        assert approvals.client.post(wrong, data=answer).status_code == 403
        assert approvals.client.get(wrong).status_code == 403
    assert not approvals.taken


def test_an_expired_link_is_refused(approvals: Desk) -> None:
    link = approvals.approvals.link("i1", START + SECOND)
    approvals.now = START + SECOND
    answer = approvals.client.post(link, data={"decision": "approve", "who": "ann"})
    assert answer.status_code == 403
    assert "expired" in answer.json()["error"]


def test_an_answer_without_a_name_or_too_late_is_told_so(approvals: Desk) -> None:
    link = approvals.approvals.link("i1", START + SECOND)
    assert approvals.client.post(link, data={"decision": "approve"}).status_code == 400
    assert approvals.client.post(link, json=[1]).status_code == 400
    assert approvals.client.post(link, content=b"x" * 5000).status_code == 400
    over = approvals.approvals.link("over", START + SECOND)
    assert approvals.client.post(over, data={"decision": "deny", "who": "ann"}).status_code == 409


def test_a_process_that_does_not_decide_passes_the_answer_on_and_says_so(approvals: Desk) -> None:
    approvals.owner = False
    link = approvals.approvals.link("i1", START + SECOND)
    assert approvals.client.get(link).status_code == 200
    answer = approvals.client.post(link, json={"decision": "approve", "who": "ann"})
    assert (answer.status_code, answer.json()["passed_on"]) == (202, True)
    assert approvals.taken == [("i1", True, "ann (by link)")]


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 32"):
        Approvals("http://x", lambda: 0).sign_by(b"short")


def test_without_a_key_there_is_no_link_and_none_is_accepted() -> None:
    keyless = Approvals("http://x", lambda: START)
    with pytest.raises(ApprovalLinkError, match="no key"):
        keyless.link("i1", START + SECOND)
    with pytest.raises(ApprovalLinkError, match="no key"):
        keyless.check("i1", str(START + SECOND), "")
