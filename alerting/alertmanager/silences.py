"""Silences: matchers that mute alerts for a time. Semantics follow Alertmanager's; time and ids are functions of the input."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from alerting.promql.matchers import Matcher, MatchType, all_match
from components.durations import HOUR, SECOND
from telemetry.documents import digest
from telemetry.errors import InputError, OverloadedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from telemetry.json_object import JsonObject

MAX_SILENCES = 10_000
_FIELDS = ("id", "starts_at", "ends_at", "updated_at", "created_by", "comment")
KEEP_EXPIRED = 120 * HOUR
"""How long an expired silence can still be looked up."""


class SilenceState(StrEnum):
    """Where a silence is in its life."""

    PENDING = "pending"
    ACTIVE = "active"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Silence:
    """One silence; times in nanoseconds."""

    matchers: tuple[Matcher, ...]
    starts_at: int
    ends_at: int
    created_by: str
    comment: str
    id: str = ""
    updated_at: int = 0

    def state(self, now: int) -> SilenceState:
        """Its state at a time."""
        if now >= self.ends_at:
            return SilenceState.EXPIRED
        return SilenceState.PENDING if now < self.starts_at else SilenceState.ACTIVE


@dataclass(slots=True)
class Silences:
    """All silences by id."""

    _silences: dict[str, Silence] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Silence]:
        return iter(self._silences.values())

    def get(self, identity: str) -> Silence | None:
        """The silence of an id."""
        return self._silences.get(identity)

    def put(self, silence: Silence, now: int) -> str:
        """Add a silence, or change the one of its id; the id.

        One that has begun keeps its matchers and start; a change of these expires it and makes a new one.

        Raises:
            InputError: it is empty or over, or its id is unknown.
            OverloadedError: too many silences.
        """
        _check(silence.matchers)
        if silence.ends_at <= silence.starts_at:
            raise InputError("end time must be after start time")
        if silence.ends_at <= now:
            raise InputError("end time can't be in the past")
        known = self._silences.get(silence.id) if silence.id else None
        if silence.id and known is None:
            raise InputError(f"silence {silence.id} not found")
        if known is not None and _can_change(known, silence, now):
            starts = known.starts_at if known.state(now) is SilenceState.ACTIVE else silence.starts_at
            self._silences[known.id] = replace(silence, starts_at=starts, updated_at=now)
            return known.id
        if len(self._silences) >= MAX_SILENCES:
            raise OverloadedError(f"{MAX_SILENCES} silences are held, the most allowed; expired ones go after 5 days", 60)
        if known is not None and known.state(now) is not SilenceState.EXPIRED:
            self.expire(known.id, now)
        starts = max(silence.starts_at, now)
        identity = str(
            uuid.UUID(digest(*map(str, silence.matchers), str(starts), str(silence.ends_at), str(now), silence.comment))
        )
        self._silences[identity] = replace(silence, id=identity, starts_at=starts, updated_at=now)
        return identity

    def expire(self, identity: str, now: int) -> None:
        """End a silence now.

        Raises:
            InputError: no such silence, or it is over already.
        """
        known = self._silences.get(identity)
        if known is None:
            raise InputError(f"silence {identity} not found")
        state = known.state(now)
        if state is SilenceState.EXPIRED:
            raise InputError(f"silence {identity} already expired")
        starts = now if state is SilenceState.PENDING else known.starts_at
        self._silences[identity] = replace(known, starts_at=starts, ends_at=now, updated_at=now)

    def matching(self, labels: Mapping[str, str], now: int) -> list[str]:
        """The ids of the active silences that mute these labels, sorted."""
        return sorted(
            silence.id
            for silence in self._silences.values()
            if silence.state(now) is SilenceState.ACTIVE and all_match(silence.matchers, labels)
        )

    def prune(self, now: int) -> None:
        """Drop what expired long ago."""
        for identity in [key for key, silence in self._silences.items() if silence.ends_at < now - KEEP_EXPIRED]:
            del self._silences[identity]

    def snapshot(self) -> list[JsonObject]:
        """Plain data."""
        return [
            {
                "id": silence.id,
                "matchers": [[matcher.name, matcher.type.value, matcher.value] for matcher in silence.matchers],
                "starts_at": silence.starts_at,
                "ends_at": silence.ends_at,
                "updated_at": silence.updated_at,
                "created_by": silence.created_by,
                "comment": silence.comment,
            }
            for silence in self._silences.values()
        ]

    def merge(self, state: list[JsonObject]) -> None:
        """Take a snapshot's silences; of one that is held the version changed last stays, as among Alertmanagers.

        Raises:
            InputError: one of them is none.
        """
        for silence in [_silence_of(item) for item in state]:  # all are valid before one counts
            known = self._silences.get(silence.id)
            if len(self._silences) < MAX_SILENCES if known is None else known.updated_at < silence.updated_at:
                self._silences[silence.id] = silence

    def changes(self, since: int) -> list[JsonObject]:
        """Those that were set or ended at a time or later, as others merge them."""
        return [body for body in self.snapshot() if body["updated_at"] >= since]


def _silence_of(body: JsonObject) -> Silence:
    try:
        matchers = tuple(Matcher.of(name, MatchType(kind), value) for name, kind, value in body["matchers"])
    except ValueError as error:
        raise InputError(f"silence {body['id']}: {error}") from None
    _check(matchers)
    return Silence(matchers, **{name: body[name] for name in _FIELDS})  # a later release may say more


def _check(matchers: Sequence[Matcher]) -> None:
    if not matchers or all(matcher.matches("") for matcher in matchers):
        raise InputError("at least one matcher must not match the empty string")


def _can_change(known: Silence, new: Silence, now: int) -> bool:
    if known.matchers != new.matchers:
        return False
    match known.state(now):
        case SilenceState.ACTIVE:
            return new.starts_at // SECOND == known.starts_at // SECOND  # amtool cuts what is below a millisecond
        case SilenceState.PENDING:
            return new.starts_at >= now
        case _:
            return False
