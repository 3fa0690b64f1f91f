"""When each playbook would have run on stored history, and how that would have ended, where it can be known.

Stored alerts are played in their order through a healer that runs nothing, so triggers, cooldowns, rates and the blast
radius decide as they would have. What a repair would have changed cannot be known from history; two things can: what a
repair that really ran for that alert came to, and that an alert went away by itself before a repair could be proven.
Conditions are taken as met, for the series of that time may be gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from alerting.playbooks.healer import Healer
from telemetry.documents import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from alerting.playbooks.actions.action import Action
    from alerting.playbooks.plan import Playbook
    from alerting.playbooks.safety import SafetyConfig
    from telemetry.documents import Body


@dataclass(frozen=True, slots=True)
class WouldRun:
    """A playbook that would have run. `ended` is empty where nobody can know."""

    time: int
    playbook: str
    service: str
    instance: str
    fingerprint: str
    labels: Mapping[str, str]
    ended: str


@dataclass(frozen=True, slots=True)
class WouldRefuse:
    """A playbook that an alert asked for and the safety kernel would have refused."""

    time: int
    playbook: str
    fingerprint: str
    labels: Mapping[str, str]
    reason: str


@dataclass(frozen=True, slots=True)
class _Told:
    """A stored alert change, as the healer takes it."""

    fingerprint: str
    state: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: int


def backtest(
    playbooks: Sequence[Playbook],
    actions: Mapping[str, Action],
    alerts: Sequence[Body],
    edges: Sequence[Body],
    incidents: Sequence[Body],
    bounds: SafetyConfig,
) -> tuple[list[WouldRun], list[WouldRefuse]]:
    """Play stored alert documents, with the edges of that time as the live call graph.

    Args:
        playbooks: what is asked about.
        actions: what they may name; none is run.
        alerts: bodies of alert documents.
        edges: bodies of edge documents, for shares of traffic.
        incidents: bodies of incident documents that really happened.
        bounds: of the safety kernel.
    """
    healer = Healer(playbooks, actions, lambda _expression, _at: [({}, 1.0)], bounds.model_copy(update={"dry_run": True}))
    flow = [(body["window"], 0, body) for body in edges] + [(body["time"], 1, body) for body in alerts]
    runs: list[WouldRun] = []
    refusals: list[WouldRefuse] = []
    for time, is_alert, body in sorted(flow, key=lambda item: item[:2]):
        if not is_alert:
            healer.traffic.add(body["callee"]["name"], body["calls"], time)
            continue
        healer.on_alert(_Told(body["fingerprint"], body["state"], body["labels"], body["annotations"], body["starts_at"]), time)
        healer.advance(time)
        documents, notices = healer.outbox()
        for record in (document.body for document in documents if document.kind is Kind.AUDIT):
            data = record["data"]
            if record["event"] == "matched":
                evidence, target = data["evidence"], data["target"]
                ended = _ended(data["playbook"], evidence["fingerprint"], time, playbooks, alerts, incidents)
                runs.append(
                    WouldRun(time, data["playbook"], target["service"], target["instance"], evidence["fingerprint"],
                             evidence["labels"], ended)
                )  # fmt: skip
            elif record["event"] == "refused":
                refusals.append(WouldRefuse(time, data["playbook"], data["fingerprint"], data["labels"], data["text"]))
        healer.delivered(len(documents), len(notices))
    return runs, refusals


def _ended(
    name: str, fingerprint: str, time: int, playbooks: Sequence[Playbook], alerts: Sequence[Body], incidents: Sequence[Body]
) -> str:
    within = next(playbook.verify.within for playbook in playbooks if playbook.name == name)
    for incident in incidents:
        same = incident["fingerprint"] == fingerprint and incident["playbook"] == name
        if same and incident["ended"] and 0 <= incident["opened"] - time <= within:
            return f"it ran: {incident['state']}, {incident['why']}"
    if any(incident["fingerprint"] == fingerprint and 0 <= incident["opened"] - time <= within for incident in incidents):
        return ""  # another repair changed what followed
    resolved = min(
        (a["time"] for a in alerts if a["fingerprint"] == fingerprint and a["state"] == "resolved" and a["time"] >= time),
        default=None,
    )
    if resolved is not None and resolved - time <= within:
        return f"not needed: the alert resolved by itself after {(resolved - time) / 1e9:.0f} s"
    return ""
