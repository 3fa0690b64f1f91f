"""Which HTTP status an error is, for all APIs over the store."""

from __future__ import annotations

from stores.store import BusyError, QueryTimeoutError, QuestionRefusedError
from telemetry.errors import InputError, StoreError

RETRY_SECONDS = 5
"""After which somebody who asked while too many did should ask again."""


class NotFoundError(InputError):
    """What was asked for is not stored."""


def status_of(error: Exception) -> int:
    """404: not stored, 400: asked wrongly, 503: the store does not answer, 500: anything else."""
    if isinstance(error, NotFoundError):
        return 404
    if isinstance(error, InputError | QuestionRefusedError):
        return 400
    return 503 if isinstance(error, StoreError) else 500


def headers_of(error: Exception) -> dict[str, str] | None:
    """When to ask again, where that helps."""
    return {"retry-after": str(RETRY_SECONDS)} if isinstance(error, BusyError | QueryTimeoutError) else None
