"""When each playbook would have run on stored history, and how that would have ended, where it can be known.

Stored alerts are played in their order through a healer whose steps are done as soon as they are asked for, so triggers,
conditions, cooldowns, rates, breakers and the blast radius decide as they would have. A condition of which nothing is stored
is assumed as met, and named; a human is assumed to agree. What a repair would have changed cannot be known from history: its
proof is looked for in what is stored, and its target held as long. Three things can be known: what a repair that really ran
for that alert came to (it is played so), that the alert went away before a repair could have been proven, and that the
verification held without a repair.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from alerting.alertmanager.inhibition import CallPaths
from alerting.alertmanager.manager import EDGES_LIVE
from alerting.playbooks.kernel.healer import Healer
from alerting.playbooks.kernel.messages import Result
from alerting.playbooks.kernel.traffic import awaited_calls
from alerting.playbooks.model.incident import Check, IncidentState, Progress
from alerting.playbooks.stored import StoredTelemetry
from alerting.variables import render_query
from processors.assembly.edges import edge_from_body
from telemetry.documents import Kind
from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from alerting.playbooks.actions.action import Action
    from alerting.playbooks.kernel.messages import Run
    from alerting.playbooks.kernel.safety import SafetyConfig
    from alerting.playbooks.model.incident import Incident
    from alerting.playbooks.model.plan import Playbook
    from telemetry.documents import Body
    from telemetry.metrics import Point

STEP = 5 * 10**9
"""How often conditions and verifications are looked at while an alert fires, ns: as often as rules are, by default."""

ALWAYS = "vector(1)"


@dataclass(slots=True)
class WouldRun:
    """A playbook that would have run. `outcome` is a sentence; `known`: it is certain how the run would have ended."""

    time: int
    playbook: str
    service: str
    instance: str
    fingerprint: str
    labels: Mapping[str, str]
    assumed: Sequence[str]  # conditions assumed as met, for nothing is stored of what they read
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
class _Reported:
    """A stored alert change, as the healer gets it."""

    fingerprint: str
    state: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: int
    value: float
    group: str
    expr: str
    file: str = ""


@dataclass(slots=True)
class _Played:
    """A repair in play. `real` is the incident that there really was for this alert then."""

    run: WouldRun
    incident: Incident
    real: Body | None

    @property
    def expressions(self) -> set[str]:
        """What it is proven by, at its end or after a step."""
        return {check.expression for check in (self.incident.check, *(step.check for step in self.incident.steps)) if check}

    @property
    def really_ran(self) -> bool:
        """Whether this playbook did."""
        return self.real is not None and self.real["playbook"] == self.run.playbook


@dataclass(slots=True)
class _Play:
    """One pass through history."""

    playbooks: Mapping[str, Playbook]
    healer: Healer
    telemetry: _Telemetry
    really: Sequence[Body]  # incidents that did something; dry runs and denied ones left history as it was
    runs: dict[str, _Played] = field(default_factory=dict)  # by id of the incident
    refusals: list[WouldRefuse] = field(default_factory=list)

    @property
    def busy(self) -> bool:
        """Whether a repair is open."""
        return any(not played.incident.state.ended for played in self.runs.values())

    def advance(self, now: int) -> None:
        """Let the healer answer what fires, and go on with what is open."""
        self.healer.advance(now)
        documents, notices = self.healer.outbox()
        for record in (document.body for document in documents if document.kind is Kind.AUDIT):
            if record["event"] == "matched":
                self._begin(self.healer.incidents[record["incident"]], record["data"], now)
            elif record["event"] == "refused":
                data = record["data"]
                self.refusals.append(WouldRefuse(now, data["playbook"], data["fingerprint"], data["labels"], data["text"]))
        self.healer.delivered(len(documents), len(notices))
        self.telemetry.assumed.clear()
        while due := [result for run in self.healer.runs() if (result := self._result(run, now))]:
            for result in due:
                self.healer.on_result(result, now)

    def _begin(self, incident: Incident, data: Body, now: int) -> None:
        evidence, playbook = data["evidence"], self.playbooks[incident.playbook]
        labels = evidence["labels"]
        conditions = [render_query(condition.expr, labels) for condition in playbook.conditions]
        assumed = [condition for condition in conditions if condition in self.telemetry.assumed]
        run = WouldRun(now, playbook.name, incident.service, incident.instance, incident.fingerprint, labels, assumed)
        in_time = range(now, now + playbook.verify.within + 1)
        real = next((b for b in self.really if b["fingerprint"] == run.fingerprint and b["opened"] in in_time), None)
        played = self.runs[incident.id] = _Played(run, incident, real)
        if played.really_ran:  # its proof is known, and not looked for
            incident.check = Check(ALWAYS, 0, 0)
            for step in incident.steps:
                step.check = None
        self.telemetry.proofs |= played.expressions
        if incident.state is IncidentState.APPROVING:
            self.healer.decide(incident.id, approved=True, who="backtest", now=now)

    def _result(self, run: Run, now: int) -> Result | None:
        """What became of a step: done at once, but of what really ran as it ended, and when. None: that is not yet."""
        played = self.runs[run.id.partition("/")[0]]
        if played.real is None or not played.really_ran:
            return Result(run.id, ok=True)
        if not 0 < played.real["ended"] <= now:
            return None
        back = played.incident.state is IncidentState.ROLLING_BACK
        return Result(run.id, ok=back or played.real["state"] == IncidentState.CLOSED)


class _Telemetry:
    """Answers the healer's queries from what is stored, and remembers of which expressions nothing was."""

    def __init__(self, points: Iterable[Point]) -> None:
        self._stored = StoredTelemetry(points)
        self.end = self._stored.end
        self.assumed: set[str] = set()  # conditions assumed as met since it was cleared
        self.proofs: set[str] = set()  # what repairs are proven by: never assumed as met
        self.seen: set[str] = set()
        self.unable: dict[str, str] = {}

    def __call__(self, expression: str, at: int, /) -> Sequence[tuple[Mapping[str, str], float]]:
        """See `machine.Query`."""
        try:
            found = self._stored.query(expression, at)
            known = self._stored.knows(expression, at)
        except InputError as error:
            self.unable[expression] = str(error)
            raise
        if known:
            self.seen.add(expression)
        elif not found and expression not in self.proofs:
            self.assumed.add(expression)
            return [({}, 1.0)]
        return found


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
    telemetry, calls = _Telemetry(history.points), CallPaths(EDGES_LIVE)
    healer = Healer(playbooks, actions, telemetry, bounds.model_copy(update={"dry_run": False}), calls=calls)
    really = [b for b in history.incidents if any(step["progress"] != Progress.WAITING for step in b["steps"])]
    play = _Play({playbook.name: playbook for playbook in playbooks}, healer, telemetry, really)
    firing: set[str] = set()
    now = 0
    flow = [(body["window"], 0, body) for body in history.edges] + [(body["time"], 1, body) for body in history.alerts]
    for time, is_alert, body in sorted(flow, key=lambda item: item[:2]):
        now = _pass(play, now, time, busy=bool(firing))
        if not is_alert:
            edge = edge_from_body(body)
            healer.traffic.add_edges([edge], time)
            healer.traffic.see([(edge.key.callee.name, "any")], time)  # edges do not tell instances apart
            calls.add(awaited_calls([edge]), time)
            continue
        reported = _Reported(**{name: body[name] for name in _Reported.__slots__ if name in body})
        (firing.add if reported.state == "firing" else firing.discard)(reported.fingerprint)
        healer.on_alert(reported, time)
        play.advance(time)
    _pass(play, now, telemetry.end, busy=True)
    for played in play.runs.values():
        played.run.known, played.run.outcome = _ended(played, history, telemetry)
    return [played.run for played in play.runs.values()], play.refusals


def _pass(play: _Play, since: int, until: int, *, busy: bool) -> int:
    """Look at each step between two times while there is something to see; returns the second."""
    for now in range(since + STEP, until, STEP) if since else ():
        if not (busy or play.busy):
            break
        play.advance(now)
    return until


def _ended(played: _Played, history: History, telemetry: _Telemetry) -> tuple[bool, str]:
    """Whether it can be known how a run would have ended, and the sentence."""
    run, incident, real = played.run, played.incident, played.real
    if real is not None:
        if not played.really_ran:
            return False, f"not known: {real['playbook']} answered the alert then, and changed what followed"
        return True, f"it ran: {real['state']}, {real['why']}"
    until = incident.check.deadline or incident.ended or math.inf
    resolved = [
        alert["time"]
        for alert in history.alerts
        if alert["fingerprint"] == run.fingerprint and alert["state"] == "resolved" and run.time <= alert["time"] <= until
    ]
    if resolved:
        return True, f"not needed: the alert resolved by itself after {(min(resolved) - run.time) / 1e9:.0f} s"
    if incident.state is IncidentState.CLOSED:
        lasted = (incident.ended - run.time) / 1e9
        return True, f"not needed: the verification held after {lasted:.0f} s, though nothing was repaired"
    unable = [telemetry.unable[expression] for expression in played.expressions if expression in telemetry.unable]
    if unable:
        why = f"the verification cannot be evaluated on what is stored: {unable[0]}"
    elif played.expressions.isdisjoint(telemetry.seen):
        why = "nothing is stored of what the verification reads"
    elif telemetry.end < until:
        why = "history ends before the verification's deadline"
    else:
        within = (incident.ended - run.time) / 1e9
        why = f"without a repair the verification did not hold within {within:.0f} s; with one it may have"
    return False, f"not known: {why}"
