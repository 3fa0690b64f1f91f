"""Failures of ours, with the record at which they came: what crashes at every start has to be found in the log."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipeline.delivery.retry import RevokedError
from telemetry.errors import SpanloomError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.record import TP


class RecordFailedError(SpanloomError):
    """A stage failed at a record, which stays unacknowledged and is read again after a restart."""


@contextmanager
def at_record(tp: TP, offset: int) -> Iterator[None]:
    """Name the record in whatever is raised within.

    Raises:
        RecordFailedError: caused by what was raised.
    """
    try:
        yield
    except (RecordFailedError, RevokedError):
        raise
    except Exception as error:
        raise RecordFailedError(
            f"{tp.topic}[{tp.partition}] offset {offset}: {type(error).__name__}: {error}. The record is read again after a "
            "restart; if it fails each time, report it as a bug with this record"
        ) from error
