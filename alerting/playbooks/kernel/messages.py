"""What goes into the healer and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from telemetry.documents import anomaly_document
from telemetry.resource import labelled_service, namespace_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alerting.playbooks.model.incident import ActionCall, Incident
    from telemetry.findings import Anomaly
    from telemetry.json_object import JsonObject


class AlertTransition(Protocol):
    """An alert that began to fire or resolved."""

    @property
    def labels(self) -> Mapping[str, str]:
        """Who fires."""
        ...

    @property
    def annotations(self) -> Mapping[str, str]:
        """What it says to humans."""
        ...

    @property
    def fingerprint(self) -> str:
        """A hash of the labels."""
        ...

    @property
    def state(self) -> str:
        """`firing` or `resolved`; other changes are left aside."""
        ...

    @property
    def starts_at(self) -> int:
        """Since when it fires."""
        ...

    @property
    def value(self) -> float:
        """What its rule saw last."""
        ...

    @property
    def group(self) -> str:
        """The group of its rule."""
        ...

    @property
    def expr(self) -> str:
        """Its rule, word for word."""
        ...

    @property
    def file(self) -> str:
        """The file of its rule, or what stands for one."""
        ...


@dataclass(frozen=True, slots=True)
class Signal:
    """What may trigger a playbook."""

    source: str  # "alert" or "anomaly"
    fingerprint: str
    labels: dict[str, str]
    starts_at: int
    trace_ids: list[str] = field(default_factory=list)
    seen: JsonObject = field(default_factory=dict)  # by the rule that fired, as JSON holds it
    origin: str = ""  # the source of that rule, see `trust.origin_of_rule`


def with_service(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels of a signal about a service, for playbooks to put into texts.

    `service` is what it is called everywhere, `service_name` is without its namespace, as deployments often are called.
    """
    service = labelled_service(labels)
    if not service:
        return dict(labels)
    namespace = namespace_of(service)
    own = {"service_name": service.removeprefix(f"{namespace}/"), **({"service_namespace": namespace} if namespace else {})}
    return own | dict(labels) | {"service": service}


def signal_of(anomaly: Anomaly) -> Signal:
    """An anomaly as what may trigger a playbook: the labels of its series, and what it says of itself."""
    own = {
        "kind": anomaly.kind.value,
        "series": anomaly.series.name,
        "service": anomaly.service,
        "operation": anomaly.operation,
        "instance": anomaly.instance,
    }
    labels = with_service(dict(anomaly.series.labels) | own)
    traces = [trace_id.hex() for trace_id in anomaly.trace_ids[:10]]
    return Signal("anomaly", anomaly_document(anomaly).id, labels, anomaly.start, traces)


@dataclass(frozen=True, slots=True)
class Run:
    """An action to be run. `id` is the same when a crash repeats it."""

    id: str
    call: ActionCall
    asks_since: int = 0
    """Not 0: it must not run again. Ask its target whether it was done, since this time."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a run."""

    id: str
    ok: bool
    detail: str = ""
    data: Mapping[str, str] = field(default_factory=dict)
    unknown: bool = False  # nobody can know whether it was done


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that a human should know. Repetitions have the same `id`."""

    id: str
    kind: str  # approval-requested, closed, escalated, released, breaker-opened, refused, admitted, stopped or resumed
    time: int
    incident: str
    title: str
    text: str
    approve_by: int = 0
    service: str = ""
    playbook: str = ""
    fingerprint: str = ""  # of the alert or anomaly that the incident answers
    code: str = ""  # of a refusal that lasts
    holds: bool = False  # the incident ended with steps in effect: it counts against the bounds until a human releases it


def notice_of(incident: Incident, kind: str, now: int, text: str) -> Notice:
    """The notice of something that happened to an incident. It ends once, whichever way."""
    what = f"{incident.service}{'/' if incident.instance else ''}{incident.instance}"
    ended = incident.state.ended and kind == incident.state.value
    return Notice(
        f"{incident.id}/{'ended' if ended else kind}",
        kind,
        now,
        incident.id,
        f"{incident.playbook} on {what}: {kind}",
        text,
        incident.approve_by,
        incident.service,
        incident.playbook,
        incident.fingerprint,
        holds=ended and incident.holds_target,
    )
