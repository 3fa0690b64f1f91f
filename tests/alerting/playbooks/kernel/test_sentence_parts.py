"""What a repair says keeps its parts: in its documents, on the audit trail, and over a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from alerting.playbooks.child_output import without_output
from alerting.playbooks.kernel.messages import Result
from telemetry.documents import Kind
from telemetry.sentences.wording import Wording
from tests.alerting.playbooks.world import START, Alert, Processes, healer, newest, pass_time, playbooks, stored

if TYPE_CHECKING:
    from pathlib import Path

    from alerting.playbooks.kernel.healer import Healer

DETAIL = {"code": "exit_code", "values": {"command": "/opt/restart", "exit": "3"}}
FAILED = {"code": "step_failed", "values": {"step": "restart", "detail": DETAIL}}


def failed_restart(folder: Path) -> tuple[Healer, Processes]:
    """A repair whose step has failed just now, and that rolls back."""
    world = Processes()
    made = healer(playbooks(folder), world)
    made.on_alert(Alert("cart"), START)
    made.advance(START)
    for run in made.runs():
        made.on_result(Result(run.id, ok=True, detail=Wording.STEP_DONE()), START)
    (run,) = made.runs()
    made.on_result(Result(run.id, ok=False, detail=Wording.EXIT_CODE(command="/opt/restart", exit=3)), START)
    return made, world


def test_the_documents_of_a_repair_have_the_parts_of_what_they_say(tmp_path: Path) -> None:
    made, world = failed_restart(tmp_path)
    pass_time(made, world, START, 5)
    body = newest(made)
    assert (body["state"], body["why"]) == ("escalated", "step 'restart' failed: /opt/restart: exit code 3")
    assert body["why_parts"] == FAILED
    assert body["step_parts"]["restart"] == DETAIL
    records = {record["event"]: record["data"] for record in stored(made.outbox()[0], Kind.AUDIT)}
    assert records["step-failed"]["parts"] == {"detail": DETAIL}
    assert records["escalated"]["parts"] == {"why": FAILED}
    assert "parts" not in records["matched"]
    assert without_output(body)["why_parts"] == FAILED  # an exit code is for everybody


def test_a_restart_forgets_no_parts_and_a_snapshot_of_before_has_none(tmp_path: Path) -> None:
    made, world = failed_restart(tmp_path)
    snapshot = orjson.loads(orjson.dumps(made.snapshot()))
    again = healer(playbooks(tmp_path), world)
    again.restore(snapshot, START)
    pass_time(again, world, START, 5)
    assert newest(again)["why_parts"] == FAILED
    assert newest(again)["step_parts"]["restart"] == DETAIL
    del snapshot["parts"]
    older = healer(playbooks(tmp_path), world)
    older.restore(snapshot, START)
    pass_time(older, world, START, 5)
    assert newest(older)["why"] == newest(again)["why"]
    assert newest(older)["why_parts"] is None
