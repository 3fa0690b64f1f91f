"""What is recorded of alerts beyond what release 0.2.0 records, kept apart from their bodies: it refuses a body that has more.

So workers of both releases take over each other's alerts, while one is upgraded and on the way back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting.alert_state import fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry.json_object import JsonObject

MARKS = ("added", "own")


def apart(snapshot: JsonObject) -> JsonObject:
    """A snapshot of an Alertmanager whose alerts have bodies as 0.2.0 reads them, and the rest in `marks` by fingerprint."""
    marks: JsonObject = {}
    for body in _bodies(snapshot):
        known = body.pop("fingerprint", None)  # to compute it for thousands of alerts would take seconds
        found = {name: body.pop(name) for name in MARKS if name in body}
        if found:
            marks[known or fingerprint(body["labels"])] = found
    return snapshot | {"marks": marks}


def together(snapshot: JsonObject) -> JsonObject:
    """Inverse of `apart`; one that 0.2.0 saved has no marks."""
    marks = snapshot.get("marks", {})

    def marked(bodies: list[JsonObject]) -> list[JsonObject]:
        return [body | marks.get(fingerprint(body["labels"]), {}) for body in bodies]

    groups = [[*group[:-1], marked(group[-1])] for group in snapshot["groups"]["groups"]]
    return snapshot | {"alerts": marked(snapshot["alerts"]), "groups": snapshot["groups"] | {"groups": groups}}


def _bodies(snapshot: JsonObject) -> Iterator[JsonObject]:
    yield from snapshot["alerts"]
    for group in snapshot["groups"]["groups"]:
        yield from group[-1]
