"""The alerts that fire, and what became of each: why no playbook has started, or that a human has it. And what was offered."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from alerting.playbooks.kernel.messages import Signal
from alerting.playbooks.kernel.trust import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry.documents import Body

MAX_TRIGGERS = 10_000
"""Alerts remembered as firing. More are counted in `ignored` and have no repair."""

MAX_OFFERED = 1000
"""Anomalies remembered as offered, far more than playbooks answer in the time for which a crash has records read again."""


class FiringAlerts:
    """Remembers signals by fingerprint, from the first word that an alert fires until it resolves."""

    def __init__(self) -> None:
        self.ignored = 0
        self._signals: dict[str, Signal] = {}
        self._refused: dict[str, tuple[str, str]] = {}  # by fingerprint: the playbook and the code of the last refusal
        self._given_up: set[str] = set()
        self._proven: set[str] = set()  # a repair was proven, and the alert has not resolved since
        self._offered: dict[str, None] = {}  # anomalies, oldest first

    def __iter__(self) -> Iterator[Signal]:
        return iter(self._signals.values())

    def __contains__(self, fingerprint: str) -> bool:
        return fingerprint in self._signals

    def begin(self, signal: Signal) -> bool:
        """An alert fires; whether that is news. One that began to fire again forgets what became of it before."""
        known = self._signals.get(signal.fingerprint)
        if known is not None and known.starts_at == signal.starts_at:
            return False
        if known is None and len(self._signals) >= MAX_TRIGGERS:
            self.ignored += 1
            return False
        self.end(signal.fingerprint)
        self._signals[signal.fingerprint] = signal
        return True

    def end(self, fingerprint: str) -> bool:
        """An alert resolved; whether that is news."""
        known = self._signals.pop(fingerprint, None)
        self._given_up.discard(fingerprint)
        self._proven.discard(fingerprint)
        self.clear_refusal(fingerprint)
        return known is not None

    def give_up(self, fingerprint: str) -> None:
        """No playbook answers it any more while it fires: a human has it, or decided."""
        if fingerprint in self._signals:
            self._given_up.add(fingerprint)

    def take_back(self, fingerprint: str) -> None:
        """Answer it again as one that nobody has, and report the next refusal of it."""
        self._given_up.discard(fingerprint)
        self.clear_refusal(fingerprint)

    def refusal_of(self, fingerprint: str) -> str:
        """The code of what keeps a repair of it from starting; empty for nothing."""
        return self._refused.get(fingerprint, ("", ""))[1]

    def prove(self, fingerprint: str) -> None:
        """A repair of it was proven: if it goes on firing all the same, the next one is the last."""
        if fingerprint in self._signals:
            self._proven.add(fingerprint)

    def is_proven(self, fingerprint: str) -> bool:
        """Whether a repair was proven since it began to fire."""
        return fingerprint in self._proven

    @property
    def refusals(self) -> dict[tuple[str, str], list[str]]:
        """Playbook and code of what keeps repairs from starting now, with the services concerned, sorted."""
        found: dict[tuple[str, str], set[str]] = {}
        for fingerprint, refused in self._refused.items():
            if fingerprint in self._signals:
                found.setdefault(refused, set()).add(self._signals[fingerprint].labels.get("service", ""))
        return {refused: sorted(services - {""}) for refused, services in sorted(found.items())}

    def offer(self, fingerprint: str) -> None:
        """An anomaly is offered to the playbooks; after a crash it is read again."""
        self._offered[fingerprint] = None
        if len(self._offered) > MAX_OFFERED:
            del self._offered[next(iter(self._offered))]

    def is_offered(self, fingerprint: str) -> bool:
        """Whether an anomaly was."""
        return fingerprint in self._offered

    def unanswered(self) -> list[Signal]:
        """Those that no human has, oldest first."""
        waiting = [signal for signal in self if signal.fingerprint not in self._given_up]
        return sorted(waiting, key=lambda signal: (signal.starts_at, signal.fingerprint))

    def refuse(self, fingerprint: str, playbook: str, code: str) -> bool:
        """Remember why a playbook may not start; whether that is another reason than before."""
        changed = self._refused.get(fingerprint) != (playbook, code)
        self._refused[fingerprint] = (playbook, code)
        return changed

    def clear_refusal(self, fingerprint: str) -> None:
        """Report the next refusal of this signal again, whatever its reason."""
        self._refused.pop(fingerprint, None)

    def clear_refusals(self) -> None:
        """Report the next refusal of each signal again."""
        self._refused.clear()

    def snapshot(self) -> Body:
        """What must survive a crash."""
        return {
            "signals": [asdict(signal) for signal in self],
            "refused": [[fingerprint, *refused] for fingerprint, refused in self._refused.items()],
            "given_up": sorted(self._given_up),
            "proven": sorted(self._proven),
            "offered": list(self._offered),
        }

    def restore(self, snapshot: Body) -> None:
        """Go on where a snapshot ended."""
        self._signals = {data["fingerprint"]: Signal(**{"origin": UNKNOWN, **data}) for data in snapshot["signals"]}
        self._refused = {fingerprint: (playbook, code) for fingerprint, playbook, code in snapshot["refused"]}
        self._given_up = set(snapshot["given_up"])
        self._proven = set(snapshot.get("proven", ()))
        self._offered = dict.fromkeys(snapshot.get("offered", ()))
