"""Which HTTP status an error is, for all APIs over the store."""

from __future__ import annotations

from stores.store import BusyError, QueryTimeoutError, QuestionRefusedError
from telemetry.errors import InputError, StoreError

RETRY_SECONDS = 5
"""After which somebody who asked while too many did should ask again."""


def status_of(error: Exception) -> int:
    """400 for what was asked wrongly, 503 for a store that does not answer, 500 for anything else."""
    if isinstance(error, InputError | QuestionRefusedError):
        return 400
    return 503 if isinstance(error, StoreError) else 500


def headers_of(error: Exception) -> dict[str, str] | None:
    """When to ask again, where that helps."""
    return {"retry-after": str(RETRY_SECONDS)} if isinstance(error, BusyError | QueryTimeoutError) else None
