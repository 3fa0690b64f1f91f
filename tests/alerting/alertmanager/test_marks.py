from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING

from alerting.alertmanager.marks import apart, together

if TYPE_CHECKING:
    from telemetry.json_object import JsonObject

BODY = {"labels", "annotations", "starts_at", "ends_at", "updated_at", "generator_url"}
"""Of an alert, as release 0.2.0 reads it: by a constructor that refuses every other name."""


def alert(name: str, **marks: object) -> JsonObject:
    known = {"annotations": {}, "starts_at": 1, "ends_at": 0, "updated_at": 1, "generator_url": ""}
    return {"labels": {"alertname": name}, **known, **marks}


def test_bodies_are_what_the_release_before_reads_and_marks_come_back() -> None:
    alerts = [alert("Slow", own=True, added={"replica": "a"}), alert("Posted", own=False)]
    groups = {"groups": [["default", "{}", 1, copy.deepcopy(alerts)]], "log": []}
    snapshot = {"version": 1, "alerts": alerts, "groups": groups}
    before = copy.deepcopy(snapshot)
    saved = json.loads(json.dumps(apart(snapshot)))
    assert all(set(body) == BODY for body in [*saved["alerts"], *saved["groups"]["groups"][0][-1]])
    found = together(saved)
    assert {name: found[name] for name in before} == before


def test_what_the_release_before_saved_has_no_marks() -> None:
    saved = {"alerts": [alert("Slow")], "groups": {"groups": [["default", "{}", 1, [alert("Slow")]]]}}
    assert together(saved) == saved
