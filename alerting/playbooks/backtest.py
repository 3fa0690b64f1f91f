"""When each playbook would have run on stored history, and how that would have ended, where it can be known.

Stored alerts are played in their order through a healer that runs nothing, so triggers, cooldowns, rates, the blast radius
and conditions decide as they would have; a condition of which nothing is stored is taken as met, and named. What a repair
would have changed cannot be known from history. Three things can: what a repair that really ran for that alert came to,
that the alert went away before a repair could have been proven, and that the verification held without a repair.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from alerting.alertmanager import EDGES_LIVE
from alerting.inhibit import CallPaths
from alerting.playbooks.healer import Healer
from alerting.playbooks.render import render_query
from alerting.playbooks.stored import StoredTelemetry
from alerting.playbooks.traffic import awaited_calls
from processors.edges import edge_from_body
from telemetry.documents import Kind
from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from alerting.playbooks.actions.action import Action
    from alerting.playbooks.plan import Playbook
    from alerting.playbooks.safety import SafetyConfig
    from telemetry.documents import Body
    from telemetry.metrics import Point

STEP = 5 * 10**9
"""How often conditions and verifications are looked at while an alert fires, ns: as often as rules are, by default."""


@dataclass(slots=True)
class WouldRun:
    """A playbook that would have run. `outcome` is a sentence; `known` says whether it tells how the run would have ended."""

    time: int
    playbook: str
    service: str
    instance: str
    fingerprint: str
    labels: Mapping[str, str]
    assumed: Sequence[str]  # conditions taken as met, for nothing is stored of what they read
    known: bool = False
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class WouldRefuse:
    """A playbook that an alert asked for and that would have been refused."""

    time: int
    playbook: str
    fingerprint: str
    labels: Mapping[str, str]
    reason: str


@dataclass(frozen=True, slots=True)
class History:
    """What is stored: bodies of documents, and points of the series that conditions and verifications read."""

    alerts: Sequence[Body]
    edges: Sequence[Body] = ()
    incidents: Sequence[Body] = ()
    points: Iterable[Point] = ()


@dataclass(frozen=True, slots=True)
class _Told:
    """A stored alert change, as the healer takes it."""

    fingerprint: str
    state: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: int
    value: float
    group: str
    expr: str


@dataclass(slots=True)
class _Proof:
    """A verification that is looked for in history."""

    run: WouldRun
    expression: str
    hold: int
    deadline: int
    since: int = 0
    seen: bool = False  # that anything of it is stored
    held: int = 0  # when it had held for long enough
    unable: str = ""


@dataclass(slots=True)
class _Play:
    """One pass through history."""

    playbooks: Mapping[str, Playbook]
    healer: Healer
    telemetry: StoredTelemetry
    assumed: set[str]
    runs: list[WouldRun] = field(default_factory=list)
    refusals: list[WouldRefuse] = field(default_factory=list)
    proofs: list[_Proof] = field(default_factory=list)

    def look(self, now: int) -> None:
        """Let the healer answer what fires, and look whether verifications hold."""
        self.healer.advance(now)
        documents, notices = self.healer.outbox()
        for record in (document.body for document in documents if document.kind is Kind.AUDIT):
            if record["event"] == "matched":
                self._would_run(record["data"], now)
            elif record["event"] == "refused":
                data = record["data"]
                self.refusals.append(WouldRefuse(now, data["playbook"], data["fingerprint"], data["labels"], data["text"]))
        self.healer.delivered(len(documents), len(notices))
        self.assumed.clear()
        for proof in self.proofs:
            if not proof.held and not proof.unable and now <= proof.deadline:
                self._look_for(proof, now)

    def _would_run(self, data: Body, now: int) -> None:
        evidence, target = data["evidence"], data["target"]
        playbook, labels = self.playbooks[data["playbook"]], evidence["labels"]
        conditions = [render_query(condition.expr, labels) for condition in playbook.conditions]
        assumed = [condition for condition in conditions if condition in self.assumed]
        run = WouldRun(now, playbook.name, target["service"], target["instance"], evidence["fingerprint"], labels, assumed)
        self.runs.append(run)
        check = playbook.verify
        self.proofs.append(_Proof(run, render_query(check.expr, labels), check.hold, now + check.within))

    def _look_for(self, proof: _Proof, now: int) -> None:
        try:
            proof.seen |= self.telemetry.knows(proof.expression, now)
            holds = bool(self.telemetry.query(proof.expression, now))
        except InputError as error:
            proof.unable = str(error)
            return
        proof.since = (proof.since or now) if holds else 0
        if holds and now - proof.since >= proof.hold:
            proof.held = now


def backtest(
    playbooks: Sequence[Playbook], actions: Mapping[str, Action], history: History, bounds: SafetyConfig
) -> tuple[list[WouldRun], list[WouldRefuse]]:
    """Play history, with the edges of that time as the live call graph.

    Args:
        playbooks: what is asked about.
        actions: what they may name; none is run.
        history: what is stored.
        bounds: of the safety kernel.
    """
    telemetry, assumed = StoredTelemetry(history.points), set[str]()

    def query(expression: str, at: int, /) -> Sequence[tuple[Mapping[str, str], float]]:
        found = telemetry.query(expression, at)
        if not found and not telemetry.knows(expression, at):
            assumed.add(expression)
            return [({}, 1.0)]
        return found

    calls = CallPaths(EDGES_LIVE)
    healer = Healer(playbooks, actions, query, bounds.model_copy(update={"dry_run": True}), calls=calls)
    play = _Play({playbook.name: playbook for playbook in playbooks}, healer, telemetry, assumed)
    firing: set[str] = set()
    now = 0
    flow = [(body["window"], 0, body) for body in history.edges] + [(body["time"], 1, body) for body in history.alerts]
    for time, is_alert, body in sorted(flow, key=lambda item: item[:2]):
        now = _pass(play, now, time, busy=bool(firing))
        if not is_alert:
            edge = edge_from_body(body)
            healer.traffic.add_edges([edge])
            calls.add(awaited_calls([edge]), time)
            continue
        told = _Told(**{name: body[name] for name in _Told.__slots__})
        (firing.add if told.state == "firing" else firing.discard)(told.fingerprint)
        healer.on_alert(told, time)
        play.look(time)
    _pass(play, now, telemetry.end, busy=True)
    for proof in play.proofs:
        proof.run.known, proof.run.outcome = _ended(proof, history, telemetry.end)
    return play.runs, play.refusals


def _pass(play: _Play, since: int, until: int, *, busy: bool) -> int:
    """Look at each step between two times while there is something to see; gives the second."""
    last = max((proof.deadline for proof in play.proofs), default=0)
    stop = until if busy else min(until, last)
    for now in range(since + STEP, stop, STEP) if since else ():
        play.look(now)
    return until


def _ended(proof: _Proof, history: History, end: int) -> tuple[bool, str]:
    """Whether it can be known how a run would have ended, and the sentence."""
    run = proof.run
    within = f"{(proof.deadline - run.time) / 1e9:.0f} s"
    for incident in history.incidents:
        if incident["fingerprint"] == run.fingerprint and run.time <= incident["opened"] <= proof.deadline:
            if incident["playbook"] != run.playbook:
                return False, f"not known: {incident['playbook']} answered the alert then, and changed what followed"
            return True, f"it ran: {incident['state']}, {incident['why']}"
    resolved = [
        alert["time"]
        for alert in history.alerts
        if alert["fingerprint"] == run.fingerprint and alert["state"] == "resolved" and run.time <= alert["time"]
    ]
    if resolved and min(resolved) <= proof.deadline:
        return True, f"not needed: the alert resolved by itself after {(min(resolved) - run.time) / 1e9:.0f} s"
    if proof.held:
        return (
            True,
            f"not needed: the verification held after {(proof.held - run.time) / 1e9:.0f} s, though nothing was repaired",
        )
    if proof.unable:
        why = f"the verification cannot be evaluated on what is stored: {proof.unable}"
    elif not proof.seen:
        why = "nothing is stored of what the verification reads"
    elif end < proof.deadline:
        why = "history ends before the verification's deadline"
    else:
        why = f"without a repair the verification did not hold within {within}; with one it may have"
    return False, f"not known: {why}"
