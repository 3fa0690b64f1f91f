"""What can be wrong with a request, or with the log behind it.

SpanloomError
├── InputError
│   ├── TooLargeError         over a limit
│   ├── TooSlowError          did not come in time
│   └── UnsupportedError      a content type or compression that OTLP does not have
└── LogUnavailableError       the log did not confirm a record
"""

from __future__ import annotations

from telemetry.errors import InputError, SpanloomError


class TooLargeError(InputError):
    """A request over the limit. Smaller batches would pass."""


class UnsupportedError(InputError):
    """A content type or compression that OTLP does not have."""


class TooSlowError(InputError):
    """A body that did not come in time."""


class LogUnavailableError(SpanloomError):
    """The log did not confirm a record. It may be there all the same: sending again is safe, results do not change.

    Args:
        retry_after: seconds after which another try makes sense.
    """

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after
