"""What happened, in order: anomalies that began, culprits named, alerts and incidents that changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from telemetry.environment import DEFAULT_ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from telemetry.documents import Body

SAME_ANOMALY = 60_000_000_000
"""An anomaly of the same kind and service within this time (nanoseconds) continues the last one and is not listed again."""

RANKED = 3
"""Ranks of a ranking that are listed, and whose change makes a new event."""


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """One thing that happened. `kind` is a word for it; `about` the id of the trace, alert or incident to look at, or empty."""

    time: int
    kind: str
    text: str
    about: str = ""


def timeline(
    anomalies: Iterable[Body], culprits: Iterable[Body], alerts: Iterable[Body], incidents: Iterable[Body]
) -> list[TimelineEvent]:
    """The events of these documents, the newest first; repetitions are listed once. Incidents come in all their revisions."""
    events = [*_anomalies(anomalies), *_culprits(culprits), *_alerts(alerts), *_incidents(incidents)]
    return sorted(events, key=lambda event: event.time)[::-1]  # so that of one time the last, too, comes first


def _environment(body: Body) -> str:
    return body.get("environment") or DEFAULT_ENVIRONMENT


def _place(body: Body) -> str:
    """Where something is, said only of an environment that has a name."""
    environment = _environment(body)
    return f" in {environment}" if environment != DEFAULT_ENVIRONMENT else ""


def _anomalies(bodies: Iterable[Body]) -> Iterable[TimelineEvent]:
    ends: dict[tuple[str, str, str], int] = {}
    for body in sorted(bodies, key=lambda body: body["start"]):
        what = _environment(body), body["kind"], body["service"]
        if what not in ends or body["start"] - ends[what] > SAME_ANOMALY:
            text = f"{body['service']}{_place(body)}: {body['why']} (score {body['score']:.2f})"
            yield TimelineEvent(body["end"], "anomaly", text, next(iter(body["trace_ids"]), ""))
        ends[what] = max(body["end"], ends.get(what, 0))


def _culprits(bodies: Iterable[Body]) -> Iterable[TimelineEvent]:
    last: dict[str, list[str]] = {}
    for body in sorted(bodies, key=lambda body: body["@timestamp"]):
        first = body["ranking"][:RANKED]
        names = [suspect["service"] for suspect in first]
        if names and names != last.get(body["environment"]):
            last[body["environment"]] = names
            text = ", ".join(f"{suspect['service']} {suspect['score']:.2f}" for suspect in first)
            yield TimelineEvent(body["@timestamp"], "culprits", f"{text}{_place(body)}")


def _alerts(bodies: Iterable[Body]) -> Iterable[TimelineEvent]:
    words = {"firing": "fires", "resolved": "is resolved"}
    for body in sorted(bodies, key=lambda body: (body["time"], body["service"])):
        if body["state"] in words:
            name, service = body["labels"].get("alertname", "?"), body["service"]
            summary = body["annotations"].get("summary", "")
            of = f"{f' for {service}' if service else ''}{_place(body)}"
            text = f"{name} {words[body['state']]}{of}{f': {summary}' if summary else ''}"
            yield TimelineEvent(body["time"], "alert" if body["state"] == "firing" else "resolved", text, body["fingerprint"])


def _incidents(bodies: Iterable[Body]) -> Iterable[TimelineEvent]:
    last: dict[str, str] = {}
    for body in sorted(bodies, key=lambda body: (body["id"], body["revision"])):
        if last.get(body["id"]) != body["state"]:
            last[body["id"]] = body["state"]
            why = f", {body['why']}" if body["why"] else ""
            text = f"{body['playbook']} on {body['service']}{_place(body)}: {body['state']}{why}"
            yield TimelineEvent(body["@timestamp"], "repair", text, body["id"])
