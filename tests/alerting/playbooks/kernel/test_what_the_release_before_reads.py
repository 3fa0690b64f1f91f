"""The release before takes over a repair by constructors that refuse a name that they do not know."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from alerting.playbooks.kernel.messages import Notice
from tests.alerting.playbooks.world import START, Alert, Processes, healer, pass_time, playbooks

if TYPE_CHECKING:
    from pathlib import Path

INCIDENT = {
    "id", "playbook", "revision", "environment", "event", "service", "instance", "fingerprint", "source", "labels", "trace_ids",
    "instances", "traffic_share", "steps", "check", "state", "opened", "approve_by", "approved_by", "ended", "why", "told",
    "released", "changes",
}  # fmt: skip
NOTICE = {"id", "kind", "time", "incident", "title", "text", "approve_by", "service", "playbook", "fingerprint"}
"""Of an incident and of a notice, as release 0.2.0 has them."""


def test_incidents_and_notices_of_a_snapshot_have_the_names_that_it_knows(tmp_path: Path) -> None:
    world = Processes(sick={"cart/a"})
    made = healer(playbooks(tmp_path), world)
    made.on_alert(Alert("cart"), START)
    pass_time(made, world, START, 2)
    (incident,) = made.incidents.values()
    incident.attempt = 2
    saved = json.loads(json.dumps(made.snapshot()))
    assert [set(each) for each in saved["incidents"]] == [INCIDENT]
    restored = healer(playbooks(tmp_path), world)
    restored.restore(saved, START)
    assert restored.incidents[incident.id].attempt == 2
    notice = Notice("a", "refused", START, incident.id, "title", "text", code="busy", holds=True)
    made.journal.report(notice)
    saved = json.loads(json.dumps(made.snapshot()))
    assert [set(each) for each in saved["notices"]][-1] == NOTICE
    restored = healer(playbooks(tmp_path), world)
    restored.restore(saved, START)
    assert restored.outbox()[1][-1] == notice
