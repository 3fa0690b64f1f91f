"""Swim lanes: what happened around an alert or an incident, by sort, and who called the service meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, Field

from components.durations import MINUTE
from dashboards.api.calls.service_graph import NodeRef
from dashboards.api.happenings.anomalies import anomaly_body
from dashboards.api.sentences import SentenceParts, parts_for
from dashboards.read_models.alerts import is_open
from stores.store import Aggregation, Equals, Query
from telemetry.call_graph import NodeKind
from telemetry.documents import Kind
from telemetry.sentences import with_parts
from telemetry.sentences.wording import Wording

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dashboards.read_models.bounded_reads import BoundedReads
    from stores.store import Filter
    from telemetry.documents import Body

AROUND = 15 * MINUTE
"""What began so long before it was opened, or after it ended, is shown beside an incident."""

MOST = 500
"""Documents of a kind that are read."""

MAX_TRACES = 50

Lane = Literal["metric", "alert", "repair", "notification"]


class LaneEvent(BaseModel):
    """Something that went on from `start` to `end`; without an end it was an instant, or goes on: `state` says."""

    start: int
    end: int | None
    kind: str
    title: str
    text: str
    text_parts: SentenceParts | None = None
    state: str
    about: str = Field(description="fingerprint, or id of the anomaly, step or notification")


class SwimLane(BaseModel):
    """Events of one sort, in order."""

    lane: Lane
    events: list[LaneEvent]


class Caller(NodeRef):
    """Who called the service, and how that went."""

    calls: int
    failures: int


async def newest(reads: BoundedReads, kind: Kind, where: Sequence[Filter], since: int | None, until: int | None) -> list[Body]:
    """The newest documents, in order."""
    found, _ = await reads.as_many(Query(kind, where, since, until, descending=True, limit=MOST))
    return found[::-1]


def start_of(event: LaneEvent) -> int:
    """When it began: the order of a lane."""
    return event.start


def anomaly_events(bodies: Iterable[Body]) -> Iterator[LaneEvent]:
    """Anomalies, each as long as its window."""
    for one in map(anomaly_body, bodies):
        title = f"{one.kind.value} {one.operation or one.series.name}".strip()
        yield LaneEvent(
            start=one.start,
            end=one.end,
            kind=one.kind.value,
            title=title,
            text=one.why,
            text_parts=one.why_parts,
            state=f"{one.score:.2f}",
            about=one.id,
        )


def alert_events(changes: Sequence[Body]) -> Iterator[LaneEvent]:
    """Each time that an alert was pending, and that it fired: it ends with its next change."""
    for number, change in enumerate(changes):
        if not is_open(change):
            continue
        same = (other for other in changes[number + 1 :] if other["fingerprint"] == change["fingerprint"])
        following = next(same, None)
        yield LaneEvent(
            start=change["time"],
            end=following["time"] if following else None,
            kind="alert",
            title=change["labels"].get("alertname", ""),
            text=change["annotations"].get("summary", ""),
            state=change["state"],
            about=change["fingerprint"],
        )


def notification_events(bodies: Iterable[Body]) -> Iterator[LaneEvent]:
    """What was sent, or was not, with the reason."""
    for body in bodies:
        yield LaneEvent(
            start=body["@timestamp"],
            end=None,
            kind=body.get("integration") or "notification",
            title=body.get("receiver") or "",
            text=(why := _why(body)),
            text_parts=parts_for(why),
            state=body["outcome"],
            about=body["key"],
        )


def _why(notification: Body) -> str:
    """Why it failed, or by what the alert was suppressed."""
    if notification["outcome"] != "suppressed":
        return with_parts(str(notification.get("error") or ""), notification.get("error_parts"))
    reason = " → ".join(notification.get("path") or ()) or with_parts(
        notification.get("reason") or "", notification.get("reason_parts")
    )
    by = notification.get("by") or ""
    return _SUPPRESSED[by](reason=reason) if reason and by in _SUPPRESSED else ": ".join(filter(None, (by, reason)))


_SUPPRESSED = {
    "inhibition": Wording.SUPPRESSED_BY_INHIBITION,
    "silence": Wording.SUPPRESSED_BY_SILENCE,
    "time interval": Wording.SUPPRESSED_BY_TIME,
}


async def callers_of(reads: BoundedReads, service: str, where: Sequence[Filter], since: int, until: int) -> list[Caller]:
    """Who called a service in a time, the busiest first.

    Raises:
        StoreError: the store does not answer.
    """
    calls = await reads.totals(
        Aggregation(
            Query(Kind.EDGE, [*where, Equals("callee.name", service)], since, until),
            ("caller.kind", "caller.name"),
            sums=("calls", "failures"),
        )
    )
    called = sorted((group for group in calls if group.sums[0] > 0), key=lambda group: (-group.sums[0], group.key))
    return [
        Caller(kind=NodeKind(group.key[0]), name=group.key[1], calls=int(group.sums[0]), failures=int(group.sums[1]))
        for group in called
    ]
