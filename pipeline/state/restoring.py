"""What becomes of state that is there and cannot be restored: damage, or learned again."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import structlog

from pipeline.state.table import DamagedStateError
from telemetry.errors import ConfigError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.state.table import StageTable
    from telemetry.json_object import JsonObject

log = structlog.get_logger(__name__)

UNFIT = (InputError, ConfigError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""What `restore` of a model or of a state machine raises for plain data that it did not write."""


class Model(Protocol):
    """What has learned something."""

    def snapshot(self) -> JsonObject:
        """Plain data, with a version."""
        ...

    def restore(self, snapshot: JsonObject) -> None:
        """Take the state of a snapshot; InputError where its version is another."""
        ...


def restore_model(state: StageTable, partition: int, name: str, model: Model) -> None:
    """Let the model take what was saved last; where that cannot be read or has another form, it learns again."""
    empty = model.snapshot()
    try:
        saved = state.load(partition, name)
        if saved is not None:
            model.restore(saved)
    except UNFIT as error:
        log_relearning(name, partition, error)
        model.restore(empty)  # it may have restored a part


@contextmanager
def needed(state: StageTable, partition: int, name: str) -> Iterator[None]:
    """Restore what nothing brings back: silences, incidents, rules that were set over HTTP.

    Raises:
        DamagedStateError: it has another form.
    """
    try:
        yield
    except DamagedStateError:
        raise
    except UNFIT as error:
        raise state.damaged(partition, name, error) from error


def log_relearning(name: str, partition: int, error: Exception) -> None:
    """Say that the state is given up, which the telemetry brings back."""
    log.error(
        "state_unreadable",
        name=name,
        partition=partition,
        reason=error.what if isinstance(error, DamagedStateError) else f"{type(error).__name__}: {error}",
        hint="it is learned again from the telemetry, and then saved again",
    )
