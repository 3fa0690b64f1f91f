"""What followed from one fault: milestones in the order in which they were seen, and whether none is missing.

Pure: it is given documents and notifications with the time at which they were seen, so its figures are what an observer
from outside would measure, the delay of the pipeline's API included.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from telemetry.documents import Body, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, slots=True)
class Injection:
    """The fault, where and when (nanoseconds since the epoch) it was put in."""

    service: str
    fault: Body
    time: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the timeline."""

    time: int
    event: str
    text: str


MILESTONES = {
    "detected": "no anomaly of {service} was found",
    "ranked": "no ranking of culprits was made",
    "alerted": "no firing alert of {service} reached the webhook receiver",
    "repaired": "no playbook repaired {service}",
    "verified": "the repair of {service} was not verified from telemetry",
    "resolved": "the alerts of {service} were not resolved at the webhook receiver",
}
"""What must happen, and what is reported when it does not."""


PROGRESS = {
    "intended": "begins",
    "done": "is done",
    "failed": "FAILED",
    "unknown": "may or may not have happened",
    "undoing": "is being undone",
    "undone": "is undone",
    "not-undone": "could NOT be undone",
}
"""What a step's progress is in the timeline."""


def _said(step: Body) -> str:
    detail = step["detail"]
    return PROGRESS[step["progress"]] + (f": {detail}" if detail not in {"", "done"} else "")


def _began(alert: Body) -> int:
    """Since when an alert of a webhook's payload fires, nanoseconds."""
    return int(datetime.fromisoformat(alert["startsAt"]).timestamp() * 1e9)


@dataclass(slots=True)
class DemoWatch:
    """Follows one injection to its end."""

    injection: Injection
    entries: list[Entry] = field(default_factory=list)
    culprits: list[tuple[str, float]] = field(default_factory=list)
    notifications: list[Body] = field(default_factory=list)
    alerts: list[str] = field(default_factory=list)  # what has begun to fire since the fault
    _reached: dict[str, int] = field(default_factory=dict)
    _seen_events: set[str] = field(default_factory=set)
    _firing: dict[str, str] = field(default_factory=dict)  # alert -> service

    @property
    def complete(self) -> bool:
        """Whether every milestone is reached."""
        return self.milestones.keys() <= self._reached.keys()

    @property
    def milestones(self) -> Mapping[str, str]:
        """What must happen, and what is reported when it does not."""
        return MILESTONES

    @property
    def ranked_first(self) -> bool:
        """Whether the service with the fault stands first in the ranking."""
        return bool(self.culprits) and self.culprits[0][0] == self.injection.service

    @property
    def must_rank_first(self) -> bool:
        """Whether a ranking with another service first is a failure."""
        return True

    def missing(self) -> list[str]:
        """A sentence for each milestone that was not reached, and for a ranking with another service first."""
        service = self.injection.service
        sentences = [text.format(service=service) for name, text in self.milestones.items() if name not in self._reached]
        if self.must_rank_first and self.culprits and not self.ranked_first:
            sentences.append(f"{self.culprits[0][0]} is ranked before {service}")
        return sentences

    def seconds_to(self, milestone: str) -> float | None:
        """Seconds from the injection until a milestone was seen; None where it was not."""
        reached = self._reached.get(milestone)
        return None if reached is None else round((reached - self.injection.time) / 1e9, 1)

    def see_documents(self, kind: Kind, bodies: list[Body], now: int) -> None:
        """Take documents that the pipeline stored; ones that are known change nothing."""
        see: Callable[[Body, int], None] = {
            Kind.ANOMALY: self._see_anomaly,
            Kind.CULPRIT: self._see_culprits,
            Kind.INCIDENT: self._see_incident,
        }[kind]
        for body in bodies:
            if body["_id"] not in self._seen_events:
                self._seen_events.add(body["_id"])
                see(body, now)

    def see_notification(self, payload: Body, now: int) -> None:
        """Take what the webhook receiver got: a payload of Alertmanager's webhook, version 4."""
        self.notifications.append(payload)
        for alert in payload["alerts"]:
            labels: dict[str, str] = alert["labels"]
            name, service = labels.get("alertname", "?"), labels.get("service", "?")
            identity = alert.get("fingerprint") or str(sorted(labels.items()))
            if alert["status"] == "firing":
                if identity in self._firing:
                    continue
                self._firing[identity] = service
                if _began(alert) >= self.injection.time:
                    self.alerts.append(f"{name} for {service}")
                self._enter(now, "alert", f"{name} fires for {service}: {alert['annotations'].get('summary', '')}".rstrip(": "))
                if service == self.injection.service:
                    self._reach("alerted", now)
            elif identity in self._firing:
                del self._firing[identity]
                self._enter(now, "resolved", f"{name} for {service} is resolved")
        if "alerted" in self._reached and self.injection.service not in self._firing.values():
            self._reach("resolved", now)

    def _see_anomaly(self, body: Body, now: int) -> None:
        if body["end"] <= self.injection.time:
            return
        service = body["service"]
        if (seen := f"{body['kind']} of {service}") not in self._seen_events:
            self._seen_events.add(seen)
            self._enter(now, "anomaly", f"{service}: {body['why']} (score {body['score']:.2f})")
        if service == self.injection.service:
            self._reach("detected", now)

    def _see_culprits(self, body: Body, now: int) -> None:
        if body["@timestamp"] <= self.injection.time or not body["ranking"]:
            return
        # A ranking made after the repair began would be of another situation.
        if "ranked" in self._reached and "repaired" in self._reached:
            return
        ranking = [(suspect["service"], round(suspect["score"], 3)) for suspect in body["ranking"]]
        if [service for service, _ in ranking[:3]] != [service for service, _ in self.culprits[:3]]:
            self._enter(now, "culprits", ", ".join(f"{service} {score:.2f}" for service, score in ranking[:3]))
        self.culprits = ranking
        self._reach("ranked", now)

    def _see_incident(self, body: Body, now: int) -> None:
        if body["opened"] <= self.injection.time:
            return
        ours = body["service"] == self.injection.service
        playbook = f"{body['playbook']} on {body['service']}"
        for step in body["steps"]:
            seen = f"{body['id']} {step['name']} {step['progress']}"
            if step["progress"] != "waiting" and seen not in self._seen_events:
                self._seen_events.add(seen)
                self._enter(now, "playbook", f"{playbook}: {step['name']} {_said(step)}")
        repairs = [step["progress"] for step in body["steps"] if step["phase"] == "repair" and not step["undoes"]]
        if ours and repairs and all(progress == "done" for progress in repairs):
            self._reach("repaired", now)
        state = f"{body['id']} {body['state']}"
        if state not in self._seen_events and body["state"] == "verifying":
            self._seen_events.add(state)
            self._enter(now, "playbook", f"{playbook}: verifying by telemetry that it helped")
        if state not in self._seen_events and body["ended"]:
            self._seen_events.add(state)
            self._enter(now, "playbook", f"{playbook}: {body['state']}: {body['why']}")
            if ours and body["state"] == "closed":
                self._reach("verified", now)

    def _reach(self, milestone: str, now: int) -> None:
        self._reached.setdefault(milestone, now)

    def _enter(self, now: int, event: str, text: str) -> None:
        self.entries.append(Entry(now, event, text))

    def figures(self) -> dict[str, object]:
        """The part of the report that is about this fault."""
        return {
            "injected": {"service": self.injection.service, **self.injection.fault},
            "seconds_to_detect": self.seconds_to("detected"),
            "seconds_to_alert": self.seconds_to("alerted"),
            "culprits": [list(pair) for pair in self.culprits],
            "injected_ranked_first": self.ranked_first,
            "seconds_to_repair": self.seconds_to("repaired"),
            "seconds_to_verify": self.seconds_to("verified"),
            "seconds_to_resolve": self.seconds_to("resolved"),
            "notifications": self.notifications,
        }
