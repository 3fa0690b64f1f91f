"""Runs what the healer decides: the only part of self-healing, beside the actions, that does I/O."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Protocol

from pydantic import ValidationError

from alerting.playbooks.actions.action import ActionError, Report
from alerting.playbooks.kernel import by_hand
from alerting.playbooks.kernel.messages import Result
from telemetry.errors import InputError, SpanloomError, StoreError
from telemetry.sentences import sentence_of
from telemetry.sentences.wording import Wording

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from alerting.playbooks.actions.action import Action
    from alerting.playbooks.kernel.healer import Healer
    from alerting.playbooks.kernel.messages import AlertTransition, Notice, Run
    from alerting.playbooks.model.plan import Playbook
    from telemetry.documents import Body, Document
    from telemetry.findings import Anomaly

STOP_GRACE = 10.0
"""Seconds that `stop` waits for running actions. One that takes longer is as after a crash: repeated, or rolled back."""


class Save(Protocol):
    """Keeps the newest snapshot."""

    async def __call__(self, snapshot: Body, /) -> None:
        """Return when the snapshot would survive a kill -9."""
        ...


class Write(Protocol):
    """Stores documents; one that is stored already is left as it is."""

    async def __call__(self, documents: Sequence[Document], /) -> object:
        """Return when they are durable.

        Raises:
            StoreError: not now; they will be offered again.
        """
        ...


class Notify(Protocol):
    """Notifies humans. The same notice may come twice, under the same id."""

    async def __call__(self, notice: Notice, /) -> None:
        """Return when the notice is sent or safely queued.

        Raises:
            SpanloomError: not now; it will be offered again.
        """
        ...


class PlaybookRunner:
    """The healer with hands. Every call saves, then publishes, then acts; calls may be concurrent."""

    def __init__(self, healer: Healer, save: Save, write: Write, notify: Notify, now: Callable[[], int]) -> None:
        self.healer = healer
        self.counts: Counter[str] = Counter()
        self._save, self._write, self._notify, self._now = save, write, notify, now
        self._lock = asyncio.Lock()
        self._saved = -1
        self._running: dict[str, asyncio.Task[None]] = {}
        self._stopping = False

    async def start(self, snapshot: Body | None) -> None:
        """Go on where the last saved snapshot ended; with None, begin."""
        self._stopping = False
        async with self._lock:
            self._saved = -1  # another process may have gone on in between
            if snapshot is not None:
                self.healer.restore(snapshot, self._now())
            await self._commit()

    async def stop(self) -> None:
        """Start nothing more, wait a little for what runs, and leave the rest to the next start. Safe twice.

        Afterwards nothing is saved or published any more by what was under way.
        """
        async with self._lock:  # what is written down as intended has been started
            self._stopping = True
        tasks = list(self._running.values())
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_GRACE)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        async with self._lock:
            self._running.clear()
        _raise_errors(task for task in tasks if not task.cancelled())

    async def on_alert(self, change: AlertTransition) -> None:
        """An alert began to fire, or resolved."""
        await self._do(lambda now: self.healer.on_alert(change, now))

    async def on_anomaly(self, anomaly: Anomaly) -> None:
        """Something deviates."""
        await self._do(lambda now: self.healer.on_anomaly(anomaly, now))

    async def replace_playbooks(self, playbooks: Sequence[Playbook]) -> None:
        """Take other playbooks, all at once."""
        await self._do(lambda now: self.healer.replace_playbooks(playbooks, now))

    async def decide(self, incident_id: str, *, approved: bool, who: str) -> None:
        """A human's answer.

        Raises:
            InputError: nobody is asked, or it is too late.
        """
        await self._do(lambda now: self.healer.decide(incident_id, approved=approved, who=who, now=now))

    async def halt(self, who: str) -> None:
        """The global stop switch."""
        await self._do(lambda now: self.healer.stop(who, now))

    async def resume(self, who: str) -> None:
        """Take the stop back."""
        await self._do(lambda now: self.healer.resume(who, now))

    async def release(self, incident_id: str, who: str) -> None:
        """What an ended incident left isolated is in order.

        Raises:
            InputError: there is no such incident, or it is still open.
        """
        await self._do(lambda now: self.healer.release(incident_id, who, now))

    async def acknowledge(self, incident_id: str, who: str, text: str) -> None:
        """A person looks after an incident.

        Raises:
            InputError: there is no such incident.
        """
        await self._do(lambda now: by_hand.acknowledge(self.healer, incident_id, who, text, now))

    async def rerun(self, incident_id: str, fingerprint: str, who: str) -> str:
        """Have the alert of an ended incident answered once more; returns the id of the new one.

        Raises:
            InputError: see `by_hand.rerun`; that it was asked for is on the audit trail all the same.
        """
        made: list[str] = []
        refused: list[InputError] = []

        def ask(now: int) -> None:
            try:
                made.append(by_hand.rerun(self.healer, incident_id, fingerprint, who, now))
            except InputError as error:
                refused.append(error)

        await self._do(ask)
        if refused:
            raise refused[0]
        return made[0]

    async def note(self, event: str, who: str, /, **data: object) -> None:
        """What somebody changed of what alerts; return when it would survive a kill -9."""
        await self._do(lambda now: self.healer.note(event, who, now, **data))

    async def advance(self) -> None:
        """Let time pass. To be called about once a second."""
        _raise_errors(task for task in self._running.values() if task.done())
        await self._do(self.healer.advance)

    async def idle(self) -> None:
        """Wait until no action runs."""
        while running := [task for task in self._running.values() if not task.done()]:
            await asyncio.wait(running)

    async def _do(self, change: Callable[[int], None]) -> None:
        async with self._lock:
            change(self._now())
            await self._commit()

    async def _commit(self) -> None:
        # Every change of the healer's state appends to its audit chain, so the chain's length says whether to save.
        if self.healer.journal.chain.sequence != self._saved:
            await self._save(self.healer.snapshot())
            self._saved = self.healer.journal.chain.sequence
        await self._publish()
        for run in self.healer.runs():
            if run.id not in self._running and not self._stopping:
                self._running[run.id] = asyncio.create_task(self._run(run), name=f"playbook {run.id}")

    async def _publish(self) -> None:
        documents, notices = self.healer.outbox()
        if documents:
            try:
                await self._write(documents)
            except StoreError:
                self.counts["writes_deferred"] += 1  # a repair does not wait for the store
            else:
                self.healer.delivered(len(documents), 0)
        for notice in notices:
            try:
                await self._notify(notice)
            except SpanloomError:
                self.counts["notices_deferred"] += 1
                return
            self.healer.delivered(0, 1)

    async def _run(self, run: Run) -> None:
        result = await self._outcome(run)
        self.counts["runs_done" if result.ok else "runs_failed"] += 1
        async with self._lock:
            self.healer.on_result(result, self._now(), go_on=not self._stopping)
            await self._commit()
            del self._running[run.id]  # not before: what runs is not started again

    async def _outcome(self, run: Run) -> Result:
        action = self.healer.actions.get(run.call.action)
        if action is None or run.call.refused:
            gone = Wording.ACTION_GONE(action=run.call.action)
            return Result(run.id, ok=False, detail=run.call.refused or gone)
        seconds = run.call.timeout / 1e9
        try:
            arguments = action.arguments.model_validate(run.call.arguments)
            async with asyncio.timeout(seconds):
                if run.asks_since:
                    return await _asked(action, arguments, run)
                data = await action.run(arguments, run.id)
        except ValidationError as error:
            return Result(run.id, ok=False, detail=f"arguments: {error.errors()[0]['loc']}: {error.errors()[0]['msg']}")
        except TimeoutError:
            return Result(run.id, ok=False, detail=Wording.TOO_SLOW(seconds=f"{seconds:g}"), unknown=bool(run.asks_since))
        except (ActionError, OSError) as error:
            output = getattr(error, "output", "")
            data = {"output": output} if output else {}
            return Result(run.id, ok=False, detail=sentence_of(error), data=data, unknown=bool(run.asks_since))
        return Result(run.id, ok=True, detail=Wording.STEP_DONE(), data=data)


def _raise_errors(ended: Iterable[asyncio.Task[None]]) -> None:
    """An error of ours ends the process: what the healer knows may not be what is saved."""
    for task in ended:
        task.result()


async def _asked(action: Action, arguments: object, run: Run) -> Result:
    """What is known of a run that a crash cut off, and that must not be repeated."""
    if isinstance(action, Report) and await action.took_effect(arguments, run.id, run.asks_since):
        return Result(run.id, ok=True, detail=Wording.TARGET_SAYS_DONE())
    return Result(run.id, ok=False, detail=Wording.CRASHED(), unknown=True)
