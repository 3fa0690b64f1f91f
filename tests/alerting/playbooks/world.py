"""A small world that playbooks act upon, and the loop that carries out what the healer decides."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from alerting.playbooks.actions.action import ActionError
from alerting.playbooks.kernel.healer import Healer
from alerting.playbooks.kernel.messages import Result
from alerting.playbooks.kernel.safety import SafetyConfig
from alerting.playbooks.model.load import load_playbooks
from telemetry.documents import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from alerting.playbooks.model.plan import Playbook
    from telemetry.documents import Body, Document

SECOND = 10**9
START = 1_700_000_000 * SECOND

PLAYBOOK = """
playbooks:
  - name: repair
    trigger: {alert: ['severity="critical"']}
    target: {service: $service, instance: "$instance"}
    approve: automatic
    cooldown: 1m
    steps:
      - name: out
        phase: isolate
        action: isolate
        with: {name: $service/$instance}
        timeout: 5s
        inverse: {action: restore, with: {name: $service/$instance}}
      - name: restart
        action: restart
        with: {name: $service/$instance}
        timeout: 10s
        inverse: none
      - name: in
        undo: out
    verify:
      expr: healthy{name="$service/$instance"} > 0
      for: 5s
      within: 30s
"""


class Name(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str


@dataclass
class Alert:
    service: str
    instance: str = "a"
    state: str = "firing"
    starts_at: int = START
    severity: str = "critical"
    rule: str = "Slow"
    annotations: dict[str, str] = field(default_factory=dict)
    value: float = 3.0
    group: str = "services"
    expr: str = "latency > 1"
    file: str = "rules.yml"

    @property
    def labels(self) -> dict[str, str]:
        return {"alertname": self.rule, "service": self.service, "instance": self.instance, "severity": self.severity}

    @property
    def fingerprint(self) -> str:
        return f"{self.rule}/{self.service}/{self.instance}"


@dataclass
class Processes:
    """Processes that can be isolated and restarted. A restart heals if `curable`."""

    curable: bool = True
    sick: set[str] = field(default_factory=set)
    isolated: set[str] = field(default_factory=set)
    calls: list[tuple[str, str]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    failing: set[str] = field(default_factory=set)
    hanging: set[str] = field(default_factory=set)

    def do(self, verb: str, name: str, key: str) -> None:
        self.calls.append((verb, name))
        self.keys.append(key)
        if verb in self.failing:
            raise ActionError(f"{verb} {name}: refused")
        if verb == "isolate":
            self.isolated.add(name)
        if verb == "restore":
            self.isolated.discard(name)
        if verb == "restart" and self.curable:
            self.sick.discard(name)

    def query(self, expression: str, at: int, /) -> Sequence[tuple[Mapping[str, str], float]]:
        del at
        name = expression.split('"')[1]
        return [] if name in self.sick else [({"name": name}, 1.0)]


class Verb:
    """An action of this world."""

    arguments: type[BaseModel] = Name

    def __init__(self, name: str, processes: Processes, *, idempotent: bool) -> None:
        self.name, self.idempotent, self._processes = name, idempotent, processes

    async def run(self, arguments: Name, key: str) -> dict[str, str]:
        self._processes.do(self.name, arguments.name, key)
        if self.name in self._processes.hanging:
            await asyncio.Event().wait()
        return {}


def verbs(processes: Processes) -> dict[str, Any]:
    return {
        "isolate": Verb("isolate", processes, idempotent=True),
        "drain": Verb("drain", processes, idempotent=True),
        "restore": Verb("restore", processes, idempotent=True),
        "restart": Verb("restart", processes, idempotent=False),
    }


def playbooks(folder: Path, text: str = PLAYBOOK) -> tuple[Playbook, ...]:
    path = folder / "playbooks.yml"
    path.write_text(text)
    return load_playbooks([path], verbs(Processes()))


def healer(
    plans: Sequence[Playbook], processes: Processes, services: Sequence[str] = ("cart", "shop"), **bounds: Any
) -> Healer:
    """A healer that knows a live call graph in which every service takes the same share."""
    made = Healer(plans, verbs(processes), processes.query, SafetyConfig(**bounds))
    feed(made, services)
    return made


def feed(made: Healer, services: Sequence[str], now: int = START) -> None:
    made.traffic.see([(service, "a") for service in services], now)
    for service in services:
        made.traffic.add(service, 100, now)


def play(made: Healer, processes: Processes, now: int) -> None:
    """Run every action that is due, until none is."""
    while runs := made.runs():
        for run in runs:
            if run.asks_since:
                made.on_result(Result(run.id, ok=False, unknown=True), now)
                continue
            try:
                processes.do(run.call.action, run.call.arguments["name"], run.id)
            except ActionError as error:
                made.on_result(Result(run.id, ok=False, detail=str(error)), now)
            else:
                made.on_result(Result(run.id, ok=True), now)


def pass_time(made: Healer, processes: Processes, now: int, seconds: int) -> int:
    """Advance second by second."""
    for _ in range(seconds):
        now += SECOND
        made.advance(now)
        play(made, processes, now)
    return now


def stored(documents: Sequence[Document], kind: Kind) -> list[Body]:
    """The bodies of one kind, as a store would give them back."""
    return [json.loads(json.dumps(document.body)) for document in documents if document.kind is kind]


def events(made: Healer) -> list[str]:
    """The audit trail in short."""
    return [body["event"] for body in stored(made.outbox()[0], Kind.AUDIT)]


def newest(made: Healer) -> Body:
    """The newest incident document."""
    return stored(made.outbox()[0], Kind.INCIDENT)[-1]
