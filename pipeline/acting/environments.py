"""Which environments a partition has. Senders name them, so there is a bound: what comes beyond shares one, called `other`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ConfigDict, TypeAdapter

from pipeline.state.restoring import needed
from telemetry.environment import DEFAULT_ENVIRONMENT, EVERY_ENVIRONMENT, OTHER_ENVIRONMENT
from telemetry.errors import InputError

if TYPE_CHECKING:
    from pipeline.state.table import StageTable

VERSION = 1
STATE = "environments"

MAX_NAME = 200
"""Characters of an environment's name: it is part of ids, labels and the keys of its state."""

_NAMES = TypeAdapter(list[str], config=ConfigDict(strict=True))


class KnownEnvironments:
    """The environments of one partition in the order in which telemetry named them.

    Args:
        limit: how many there may be beside the default one and `other`.
        partition: each has an `other` of its own: those beyond the limit are not the same.
    """

    def __init__(self, limit: int, partition: int = 0) -> None:
        self._limit = limit
        self._other = f"{OTHER_ENVIRONMENT}-{partition}" if partition else OTHER_ENVIRONMENT
        self.names: list[str] = []

    def admit(self, name: str) -> str:
        """The environment that decides for telemetry of that name: itself, or `other`."""
        if name in {DEFAULT_ENVIRONMENT, *self.names}:
            return name
        if name != self._other and (name == EVERY_ENVIRONMENT or len(name) > MAX_NAME or len(self.names) >= self._limit):
            return self.admit(self._other)
        self.names.append(name)
        return name

    async def save(self, state: StageTable, partition: int) -> None:
        """Return when they would survive a kill -9."""
        await state.save(partition, STATE, {"version": VERSION, "names": self.names})

    def restore(self, state: StageTable, partition: int) -> None:
        """Take those that were saved.

        Raises:
            DamagedStateError: they have another form.
        """
        with needed(state, partition, STATE):
            saved = state.load(partition, STATE)
            if saved is None:
                return
            if saved.get("version") != VERSION:
                raise InputError(f"environments: version {saved.get('version')!r}; this release reads {VERSION}")
            self.names = _NAMES.validate_python(saved["names"])
