"""What was found of one part of a deployment, and what becomes of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from telemetry.json_object import JsonObject


class Outcome(StrEnum):
    """What becomes of it."""

    KEPT = "kept"  # this release goes on with it as it is
    CHANGES = "changes"  # by `spanloom upgrade`, or by the start of a role
    CHANGED = "changed"
    RELEARNED = "relearned"  # it cannot be carried over, and telemetry brings it back
    NOTE = "note"  # nothing to do for us; for who reads it perhaps
    REFUSED = "refused"  # this release cannot go on with it


@dataclass(frozen=True, slots=True)
class UpgradeItem:
    """One line of the report.

    Attributes:
        part: of the deployment: `log`, `state`, `store`, `identity`.
        name: what in it.
        outcome: what becomes of it.
        text: why, in words; what it is now.
    """

    part: str
    name: str
    outcome: Outcome
    text: str

    def plain(self) -> JsonObject:
        """As JSON has it."""
        return asdict(self)
