"""A mark: somebody's word on one anomaly or one ranking."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from components.durations import DAY
from telemetry.documents import digest

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_TEXT = 1024
"""Characters of a name or a note in a mark."""

LASTS = 28 * DAY
"""How long `right` and `wrong` count: four half-lives, after which a sixteenth of them is left."""

EXPECTED_FOR, MOST_EXPECTED_FOR = DAY, 7 * DAY
"""How long something is expected unless the mark says otherwise, and at most: longer than a week is no event."""

Time = Annotated[int, Field(ge=0, lt=2**63)]
Text = Annotated[str, Field(max_length=MAX_TEXT)]


class MarkVerdict(StrEnum):
    """What somebody said of a finding."""

    RIGHT = "right"
    WRONG = "wrong"  # nothing was the matter, or another was to blame
    EXPECTED = "expected"  # it was so, and known: a load test, a migration


class Subject(StrEnum):
    """What was marked."""

    ANOMALY = "anomaly"
    RANKING = "ranking"


class Move(BaseModel):
    """What a mark moves: up or down, by one step.

    `key` is a series of anomalies (`series_key`), or a service and a kind of evidence (`evidence_key`).
    """

    model_config = ConfigDict(frozen=True, strict=True)

    key: Annotated[str, Field(min_length=1, max_length=2 * MAX_TEXT)]
    up: bool


class Mark(BaseModel):
    """Who said what of which finding, when, and until when it counts; times in nanoseconds since the epoch.

    `about` is the finding in words. `surprise` is that of a marked anomaly, in nats.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    subject: Annotated[Subject, Field(strict=False)]
    id: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
    verdict: Annotated[MarkVerdict, Field(strict=False)]
    at: Time
    expires: Time
    who: Text
    note: Text = ""
    environment: Text
    about: Text
    moves: Annotated[list[Move], Field(max_length=32)]
    surprise: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0


def series_key(kind: str, name: str, labels: Iterable[tuple[str, str]]) -> str:
    """What anomalies of one kind and series have in common, whatever the order of the labels."""
    return digest(kind, name, *(text for label in sorted(labels) for text in label))


def evidence_key(service: str, signal: str) -> str:
    """The evidence of one kind (`trace`, `log`, `metric`) against a service."""
    return f"{signal}/{service}"[: 2 * MAX_TEXT]
