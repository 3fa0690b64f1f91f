"""What becomes of state that is there and cannot be restored: damage, or learnt anew."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from pipeline.state.table import DamagedStateError
from telemetry.errors import ConfigError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.state.table import StageTable

log = structlog.get_logger(__name__)

UNFIT = (InputError, ConfigError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""What `restore` of a model or of a state machine raises for plain data that it did not write."""


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


def learnt_anew(name: str, partition: int, error: Exception) -> None:
    """Say that the state is given up, which the telemetry brings back."""
    log.error(
        "state_not_read",
        name=name,
        partition=partition,
        reason=error.what if isinstance(error, DamagedStateError) else f"{type(error).__name__}: {error}",
        hint="it is learnt anew, and then written anew",
    )
