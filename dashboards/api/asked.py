"""The time and the environment that a question is about, snapped so that all who look share one answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from components.durations import HOUR, MINUTE, SECOND
from dashboards.read_models.reader import within
from telemetry.errors import InputError

if TYPE_CHECKING:
    from stores.store import Filter

Time = Annotated[int, Field(ge=0, lt=2**63, description="nanoseconds since the epoch")]

USUAL = 15 * MINUTE
"""What is looked at where nothing is said."""

_GRIDS = ((HOUR, 5 * SECOND), (24 * HOUR, 30 * SECOND))
_COARSEST = MINUTE


class Asked(BaseModel):
    """A stretch of time, in one environment or in all. Without an end it is until now, without a beginning 15 minutes."""

    model_config = ConfigDict(extra="forbid")

    since: Time | None = None
    until: Time | None = None
    environment: str = Field(
        default="", max_length=1024, description="deployment.environment.name, `default` for what names none; empty: all"
    )

    def covered(self, now: int, grid: int = 0) -> Covered:
        """The stretch on a grid, of which it is part: 5 s up to an hour, 30 s up to a day, else a minute; or a given one.

        Raises:
            InputError: it ends before it begins.
        """
        until = now if self.until is None else self.until
        since = max(0, until - USUAL) if self.since is None else self.since
        if until <= since:
            raise InputError("until: must be after since")
        grid = grid or next((grid for longest, grid in _GRIDS if until - since <= longest), _COARSEST)
        return Covered(since=since - since % grid, until=until + -until % grid)

    @property
    def where(self) -> tuple[Filter, ...]:
        """The condition of the environment."""
        return within(self.environment)


class Covered(BaseModel):
    """What was counted: `since <= time < until`, at least what was asked for."""

    since: int = Field(description="nanoseconds since the epoch: what was asked for, on a grid of seconds")
    until: int

    @property
    def seconds(self) -> float:
        """How long it is."""
        return (self.until - self.since) / SECOND
