"""Which sources feed the telemetry, and whether repairs may start by themselves on what it says.

Telemetry of anybody can point at any service: metrics have arbitrary labels, and traces mix senders. So trust is kept for the
environment as a whole: while a source that is not allowed has fed it lately, every repair waits for a human.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.durations import SECOND, format_duration
from components.sender import KAFKA, LOOPBACK
from telemetry.errors import InputError
from telemetry.sentences.wording import Wording

if TYPE_CHECKING:
    from collections.abc import Iterable

    from telemetry.documents import Body

VERSION = 1

MAX_SOURCES = 1000
"""Sources remembered by name. What comes beyond is remembered as `other`, which no setting allows."""

SAVE_AFTER = 10 * SECOND
"""A source that goes on to feed is saved again after so long; what this costs in exactness is added to how long it counts."""

ANONYMOUS, OPEN_KAFKA, API_RULES, UNKNOWN, OTHER = "anonymous", "open-kafka", "api-rules", "unknown", "other"
_TRUSTED = ("token:", "certificate:")
_WORDS = {
    "anonymous": Wording.SOURCE_ANONYMOUS,
    OPEN_KAFKA: Wording.SOURCE_OPEN_KAFKA,
    UNKNOWN: Wording.SOURCE_UNKNOWN,
}


class Trust:
    """Remembers when each source fed the environment last.

    Args:
        allowed: names of sources that an admin allows beside those that are trusted anyway.
        counts_for: how long after its last telemetry a source still counts, ns.
        always: sources that may feed at any time, seen or not.
    """

    def __init__(self, allowed: Iterable[str], counts_for: int, always: Iterable[str] = ()) -> None:
        self._always = tuple(always)
        self._allowed = frozenset(allowed)
        self._counts_for = counts_for + SAVE_AFTER
        self._now = 0
        self._fed: dict[str, int] = {}
        self._saved: dict[str, int] = {}

    def pass_time(self, now: int) -> None:
        """What the clock says, ns. Doubts are by the clock, not by the time of the telemetry, which a sender chooses."""
        self._now = max(now, self._now)

    def fed(self, source: str, now: int) -> None:
        """A source has fed the telemetry just now, or will in a moment; by the clock, ns."""
        self.pass_time(now)
        if source not in self._fed and len(self._fed) >= MAX_SOURCES:
            source = OTHER
        self._fed[source] = max(now, self._fed.get(source, 0))

    def allows(self, source: str) -> bool:
        """Whether repairs may start by themselves on what this source says."""
        if source in {LOOPBACK, KAFKA} or source.startswith(_TRUSTED):
            return True
        return source in self._allowed or source.partition(":")[0] in self._allowed

    def doubt(self, origin: str) -> str:
        """Why a repair must wait for a human, in words that name the source and the setting; empty where it need not.

        Args:
            origin: the source of the rule that fired; empty where it is of a file, or no rule is part of it.
        """
        if origin and not self.allows(origin):
            return Wording.ASKED_BY(source=_in_words(origin), setting=_setting(origin))
        for source in self._always:
            if not self.allows(source):
                return Wording.FED_ANY_TIME(source=_in_words(source), setting=_setting(source))
        lately = [
            (at, source) for source, at in self._fed.items() if self._now - at < self._counts_for and not self.allows(source)
        ]
        if not lately:
            return ""
        at, source = max(lately)
        ago = format_duration(max(0, self._now - at) // SECOND * SECOND)
        words = _in_words(source)
        by = Wording.AND_MORE_SOURCES(source=words, more=len(lately) - 1) if len(lately) > 1 else words
        return Wording.FED_LATELY(ago=ago, source=by, setting=_setting(source))

    @property
    def unsaved(self) -> bool:
        """Whether something would be lost by a crash."""
        return any(at - self._saved.get(source, -SAVE_AFTER) >= SAVE_AFTER for source, at in self._fed.items())

    def snapshot(self) -> Body:
        """What must survive a crash; it then counts as saved."""
        self._saved = dict(self._fed)
        return {"version": VERSION, "fed": self._saved}

    def restore(self, snapshot: Body) -> None:
        """Go on where a snapshot ended; what was fed since stays.

        Raises:
            InputError: the snapshot is of another version.
        """
        if snapshot.get("version") != VERSION:
            raise InputError(f"sources: snapshot version {snapshot.get('version')!r}; this release reads {VERSION}")
        fed = dict(snapshot["fed"])
        if any(type(source) is not str or type(at) is not int for source, at in fed.items()):
            raise InputError("sources: each has a name, and a time in nanoseconds")
        self._saved = fed
        for source, at in self._saved.items():
            self._fed[source] = max(at, self._fed.get(source, 0))


def origin_of_rule(file: str) -> str:
    """The source of a rule: empty for one of a file, `api-rules:NAMESPACE` for one that came over HTTP."""
    return f"{API_RULES}:{file.removeprefix('api:')}" if file.startswith("api:") else ""


def _in_words(source: str) -> str:
    kind, _, name = source.partition(":")
    if kind == API_RULES:
        return Wording.SOURCE_API_RULES(namespace=name)
    return _WORDS[source](source=source) if source in _WORDS else source


def _setting(source: str) -> str:
    if source in {UNKNOWN, OTHER}:
        return Wording.CANNOT_BE_ALLOWED()
    return Wording.ALLOWED_BY(source=source)
