"""When a refusal to start has lasted so long that humans must know, and when it is over. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from alerting.playbooks.kernel.messages import Notice
from components.durations import HOUR, MINUTE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from telemetry.documents import Body

LASTING = {
    "stopped": "repairs are stopped",
    "rate": "as many repairs were started lately as may be",
    "room": "as many repairs are open, or hold their target, as may be",
    "budget": "the blast radius has no room, or is not known",
    "outbox": "the store has fallen behind",
    "input": "the alert does not have what the playbook needs; see the audit trail",
}
"""Codes of refusals that a human can end. The others end by themselves, or have a notice of their own."""

LASTS = MINUTE
"""How long a refusal must last, ns, before humans hear of it: shorter ones end with the repair before."""

REPEAT = HOUR
"""How long after a notice the same refusal sends no other, ns, however often it ends and begins again."""


@dataclass(slots=True)
class _Refusal:
    since: int  # 0 while nothing is refused
    reported: int = 0
    open: bool = False  # humans heard that it began, and not that it is over


class LastingRefusals:
    """Remembers refusals by playbook and code: a storm of alerts causes one notice, not thousands."""

    def __init__(self) -> None:
        self._refusals: dict[tuple[str, str], _Refusal] = {}

    def advance(self, refused: Mapping[tuple[str, str], Sequence[str]], now: int) -> list[Notice]:
        """The notices that are due.

        Args:
            refused: what is refused now, by playbook and code, with the services concerned.
            now: the time.
        """
        for key in refused:
            if key[1] in LASTING:
                self._refusals.setdefault(key, _Refusal(now))
        due = []
        for key, refusal in sorted(self._refusals.items()):
            if key not in refused:
                refusal.since = 0
                if refusal.open:
                    refusal.open = False
                    due.append(_notice("admitted", key, now, ""))
                continue
            refusal.since = refusal.since or now
            rested = not refusal.reported or now >= refusal.reported + REPEAT
            if not refusal.open and rested and now >= refusal.since + LASTS:
                refusal.open, refusal.reported = True, now
                due.append(_notice("refused", key, now, _text(key[1], refused[key])))
        self._refusals = {
            key: each for key, each in self._refusals.items() if each.since or (each.reported and now < each.reported + REPEAT)
        }
        return due

    def snapshot(self) -> list[Body]:
        """Plain data."""
        return [
            {"playbook": playbook, "code": code, "since": each.since, "reported": each.reported, "open": each.open}
            for (playbook, code), each in self._refusals.items()
        ]

    def restore(self, snapshot: Sequence[Body]) -> None:
        """Take a snapshot's refusals in place of what is remembered."""
        self._refusals = {
            (data["playbook"], data["code"]): _Refusal(data["since"], data["reported"], data["open"]) for data in snapshot
        }


def _notice(kind: str, key: tuple[str, str], now: int, text: str) -> Notice:
    playbook, code = key
    return Notice(
        f"{kind}/{playbook}/{code}/{now}", kind, now, "", f"{playbook}: {kind} ({code})", text, playbook=playbook, code=code
    )


def _text(code: str, services: Sequence[str]) -> str:
    named = ", ".join(services[:5])
    more = f" and {len(services) - 5} more" if len(services) > 5 else ""
    return f"{LASTING[code]}{f'; waiting: {named}{more}' if named else ''}"
