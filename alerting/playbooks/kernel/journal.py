"""What self-healing leaves behind: the audit trail, incident documents and notices, kept until others have them safe."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import orjson

from alerting.playbooks.kernel.messages import Notice
from components.secrets import SECRETS
from telemetry.audit import Chain
from telemetry.documents import Document, Kind, incident_document
from telemetry.sentences import parts_of

if TYPE_CHECKING:
    from alerting.playbooks.kernel.machine import Note
    from alerting.playbooks.model.incident import Incident
    from telemetry.documents import Body

MAX_WAITING = 10_000
"""Documents waiting for the store. Past this no repair starts; those that are open go on and are recorded."""


NOTICE_MARKS = ("code", "holds")
"""Fields that a snapshot has apart: release 0.2.0 refuses a notice that says more than it knows."""


class Journal:
    """The end of one audit chain, and an outbox. What waits in it is part of the snapshot, so a crash loses nothing."""

    def __init__(self, environment: str) -> None:
        self.chain = Chain(environment)
        self._documents: list[Document] = []
        self._notices: list[Notice] = []
        self._changed: set[str] = set()

    @property
    def is_full(self) -> bool:
        """Whether the store has fallen too far behind to begin anything."""
        return len(self._documents) >= MAX_WAITING

    def record(self, now: int, event: str, incident: str = "", /, **data: object) -> None:
        """Append to the audit trail."""
        # Parsed and encoded again, the data is the record's own and what JSON can hold.
        parts = {name: found for name, value in data.items() if isinstance(value, str) and (found := parts_of(value))}
        own = masked(orjson.loads(orjson.dumps(data | {"parts": parts} if parts else data)))
        self._documents.append(self.chain.append(now, event, own, incident).document())

    def note(self, incident: Incident, now: int) -> Note:
        """What records entries of one incident."""

        def note(event: str, /, **data: object) -> None:
            incident.changes += 1
            self._changed.add(incident.id)
            self.record(now, event, incident.id, **data)

        return note

    def report(self, notice: Notice) -> None:
        """Let humans know."""
        self._notices.append(replace(notice, title=SECRETS.mask(notice.title), text=SECRETS.mask(notice.text)))

    def publish(self, incidents: dict[str, Incident], now: int) -> None:
        """One document for each incident that changed; ended ones that hold nothing are then evicted."""
        for incident_id in sorted(self._changed):
            incident = incidents[incident_id]
            body = incident.plain() | {
                "revision": incident.changes,
                "playbook_revision": incident.revision,
                "audit": {"chain": self.chain.name, "sequence": self.chain.sequence, "hash": self.chain.head},
                **incident.parts(),
            }
            del body["changes"]
            self._documents.append(incident_document(masked(body), now))
            if not incident.holds_target:
                del incidents[incident_id]
        self._changed.clear()

    def waiting(self) -> tuple[tuple[Document, ...], tuple[Notice, ...]]:
        """Documents to store and notices to send, oldest first."""
        return tuple(self._documents), tuple(self._notices)

    def delivered(self, documents: int, notices: int) -> None:
        """So many from the head of what waits are safe."""
        del self._documents[:documents]
        del self._notices[:notices]

    def snapshot(self) -> Body:
        """What must survive a crash; called when all that changed is published."""
        notices = [asdict(notice) for notice in self._notices]
        return {
            "chain": self.chain.snapshot(),
            "documents": [asdict(document) for document in self._documents],
            "notice_marks": [{name: notice.pop(name) for name in NOTICE_MARKS} for notice in notices],
            "notices": notices,
        }

    def restore(self, snapshot: Body) -> None:
        """Go on where a snapshot ended."""
        self.chain.restore(snapshot["chain"])
        self._documents = [Document(**{**data, "kind": Kind(data["kind"])}) for data in snapshot["documents"]]
        notices = snapshot["notices"]
        marks = snapshot.get("notice_marks", [{}] * len(notices))
        self._notices = [Notice(**data, **more) for data, more in zip(notices, marks, strict=True)]


def masked(value: Any) -> Any:
    """Plain data without secrets, and without the values of HTTP headers, which may be some: many may read what is stored."""
    if isinstance(value, str):
        return SECRETS.mask(value)
    if isinstance(value, list):
        return [masked(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: dict.fromkeys(item, "***") if key == "headers" and isinstance(item, dict) else masked(item)
        for key, item in value.items()
    }
