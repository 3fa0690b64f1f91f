"""The promises of the healer, checked over random histories with a crash at every point of its loop.

The model is a set of processes and a disk. The disk holds the last saved snapshot and the stored documents; all else is
lost in a crash. An action takes effect before its outcome is told, so a crash can fall between the two.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from alerting.playbooks.kernel.messages import Result
from telemetry.audit import verify
from telemetry.documents import Kind
from tests.alerting.playbooks.world import PLAYBOOK, SECOND, START, Alert, Processes, feed, healer, playbooks, stored

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from alerting.playbooks.kernel.healer import Healer
    from alerting.playbooks.model.plan import Playbook
    from telemetry.documents import Body, Document

SERVICES = ("cart", "shop", "mail", "bank", "news")
MAX_INSTANCES = 2
MAX_SHARE = 0.6
POINTS = ("saved", "written", "acknowledged", "started", "took effect", "told")


def plans() -> Sequence[Playbook]:
    with TemporaryDirectory() as folder:
        return playbooks(Path(folder), PLAYBOOK)


class Crashes(RuleBasedStateMachine):
    """One process that heals, its disk, and the processes that it acts upon."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.plans = plans()
        self.world = Processes()
        self.disk: Body | None = None
        self.documents: dict[str, Document] = {}
        self.acknowledged = 0
        self.started: Counter[str] = Counter()
        self.under_way: dict[str, tuple[str, str]] = {}
        self.reported: dict[str, bool] = {}
        self.took_effect: set[str] = set()
        self.stopped = False
        self.healer = self._new()

    def _new(self) -> Healer:
        made = healer(
            self.plans, self.world, SERVICES, max_instances=MAX_INSTANCES, max_traffic_share=MAX_SHARE, max_starts=1000
        )
        feed(made, SERVICES, self.now)
        return made

    @rule(service=st.sampled_from(SERVICES), sick=st.sampled_from([True, True, False]))
    def fire(self, service: str, sick: bool) -> None:  # noqa: FBT001  hypothesis passes it by name
        if sick:
            self.world.sick.add(f"{service}/a")
        self.healer.on_alert(Alert(service, starts_at=self.now), self.now)

    @rule(service=st.sampled_from(SERVICES))
    def resolve(self, service: str) -> None:
        self.healer.on_alert(Alert(service, state="resolved"), self.now)

    @rule(seconds=st.sampled_from([6, 31, 90]))
    def pass_time(self, seconds: int) -> None:
        self.now += seconds * SECOND
        feed(self.healer, SERVICES, self.now)
        self.healer.advance(self.now)

    @rule(curable=st.booleans(), failing=st.sets(st.sampled_from(["restart", "restore", "isolate"]), max_size=1))
    def luck_changes(self, curable: bool, failing: set[str]) -> None:  # noqa: FBT001  hypothesis passes it by name
        self.world.curable, self.world.failing = curable, failing

    @rule(stopped=st.booleans())
    def switch(self, stopped: bool) -> None:  # noqa: FBT001  hypothesis passes it by name
        """The stop switch; whoever threw it is answered when that is saved."""
        (self.healer.stop if stopped else self.healer.resume)("ann", self.now)
        self.stopped = stopped
        self.save()

    @rule()
    def let_go_and_own_again(self) -> None:
        """What is under way ends where it is, and the same healer goes on."""
        self.under_way.clear()
        self.reported.clear()
        if self.disk is not None:
            self.healer.restore(self.disk, self.now)

    @rule(crash_after=st.sampled_from([None, None, None, None, *POINTS]), slow=st.sampled_from([0, 0, 1]))
    def loop(self, crash_after: str | None, slow: int) -> None:
        """One turn of the runner, which a crash may cut at every place. Some actions take longer than the turn."""
        self.now += SECOND
        self.healer.advance(self.now)
        acts: tuple[Callable[[], None], ...] = (
            self.save,
            self.write,
            self.acknowledge,
            self.start,
            lambda: self.act(slow),
            self.tell,
        )
        for point, act in zip(POINTS, acts, strict=True):
            act()
            if point == crash_after:
                self.crash()
                return

    def save(self) -> None:
        self.disk = json.loads(json.dumps(self.healer.snapshot()))

    def write(self) -> None:
        for document in self.healer.outbox()[0]:
            self.documents.setdefault(document.id, document)

    def acknowledge(self) -> None:
        documents, notices = self.healer.outbox()
        self.healer.delivered(len(documents), len(notices))

    def start(self) -> None:
        for run in self.healer.runs():
            assert not self.stopped
            if run.asks_since:  # the target of some steps can tell, that of others cannot
                done = run.id in self.took_effect and run.id[0] < "8"
                self.healer.on_result(Result(run.id, ok=done, unknown=not done), self.now)
            elif run.id not in self.under_way and run.id not in self.reported:
                self.started[run.id] += 1
                self.under_way[run.id] = (run.call.action, run.call.arguments["name"])

    def act(self, slow: int) -> None:
        for run in sorted(self.under_way)[slow:]:
            verb, name = self.under_way.pop(run)
            self.reported[run] = verb not in self.world.failing
            if self.reported[run]:
                self.world.do(verb, name, run)
                self.took_effect.add(run)

    def tell(self) -> None:
        for run in sorted(self.reported):
            self.healer.on_result(Result(run, ok=self.reported.pop(run)), self.now)

    def crash(self) -> None:
        self.under_way.clear()
        self.reported.clear()
        self.healer = self._new()
        if self.disk is not None:
            self.healer.restore(self.disk, self.now)

    @invariant()
    def what_is_not_idempotent_never_starts_twice(self) -> None:
        twice = [run for run, count in self.started.items() if count > 1]
        assert not [run for run in twice if run.endswith("/restart/do")]

    @invariant()
    def the_budget_holds_in_the_world_itself(self) -> None:
        touched = self.world.isolated | {name for _, name in self.under_way.values()}
        assert len(touched) <= MAX_INSTANCES
        assert len({name.split("/")[0] for name in touched}) / len(SERVICES) <= MAX_SHARE

    @invariant()
    def the_stored_trail_is_whole(self) -> None:
        trail = stored(list(self.documents.values()), Kind.AUDIT)
        assert verify(sorted(trail, key=lambda body: int(body["sequence"]))) == []

    def teardown(self) -> None:
        """Left in peace, every incident ends, and what is still isolated is named to a human."""
        self.world.failing.clear()
        self.switch(stopped=False)
        for service in SERVICES:
            self.resolve(service)
        for _ in range(40):
            self.loop(None, 0)
        self.save()
        self.write()
        assert all(incident.state.ended for incident in self.healer.incidents.values())
        incidents = stored(list(self.documents.values()), Kind.INCIDENT)
        named = {f"{i['service']}/{i['instance']}" for i in incidents if "still in effect" in i["why"]}
        assert self.world.isolated <= named


TestCrashes = Crashes.TestCase
TestCrashes.settings = settings(max_examples=100, stateful_step_count=40)
