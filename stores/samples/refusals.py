"""Senders of which new series were refused: what users, the log and answers are told."""

from __future__ import annotations

from dataclasses import dataclass

from components.durations import HOUR, MINUTE

SHOWN_FOR = 10 * MINUTE
"""How long after a series of a sender was refused answers say so, ns."""
LOGGED_EVERY = HOUR
"""Between two log messages about one sender, ns."""
MAX_SENDERS = 200
"""Senders that are remembered as refused; of more the one that was refused first is dropped."""


@dataclass(slots=True)
class Refusal:
    """A sender of which new series are refused. Times in ns."""

    environment: str
    sender: str
    setting: str  # that holds the bound
    bound: int
    samples: int = 0
    refused_at: int = 0
    logged_at: int = -LOGGED_EVERY

    def __str__(self) -> str:
        whose = f'"{self.sender}"' if self.sender else "no service"
        return (
            f"new series of {whose} are refused: {self.bound:,} are there, which is the bound {self.setting}; answers lack them"
        )


class Refusals:
    """Senders of which series were refused. Read from any thread."""

    def __init__(self) -> None:
        self._of: dict[tuple[str, str, str], Refusal] = {}

    def note(self, environment: str, sender: str, setting: str, bound: int, now: int) -> None:
        """A sample of a new series was refused."""
        key = environment, sender, setting
        found = self._of.get(key)
        if found is None:
            if len(self._of) >= MAX_SENDERS:
                del self._of[next(iter(self._of))]
            found = self._of[key] = Refusal(environment, sender, setting, bound)
        found.samples += 1
        found.refused_at = max(found.refused_at, now)

    def recent(self, environment: str, now: int) -> list[str]:
        """What users of an environment should know, in words."""
        found = [each for each in list(self._of.values()) if each.environment == environment]
        return sorted(str(each) for each in found if each.refused_at > now - SHOWN_FOR)

    def to_log(self, now: int) -> list[Refusal]:
        """Those that the log should tell now: each once in LOGGED_EVERY, while it goes on."""
        due = [
            each for each in list(self._of.values())
            if now - each.logged_at >= LOGGED_EVERY and each.refused_at > max(each.logged_at, now - LOGGED_EVERY)
        ]  # fmt: skip
        for each in due:
            each.logged_at = now
        return due
