"""What can be wrong with a request, or with the log behind it.

SpanloomError
├── InputError
│   ├── TooLargeError         over a limit in bytes
│   ├── TooManyItemsError     over a limit in items
│   ├── TooSlowError          did not come in time
│   ├── UnsupportedError      a content type or compression that OTLP does not have
│   ├── UnauthenticatedError  shows nothing that is accepted
│   ├── ForbiddenError        its token may not send
│   ├── ForeignHostError      names a host that is not answered to
│   └── ForeignOriginError    a page in a browser sent it
├── OverloadedError
│   └── ThrottledError        its token has sent more than it may
└── LogUnavailableError       the log did not confirm a record
"""

from __future__ import annotations

from telemetry.errors import InputError, OverloadedError, SpanloomError


class TooLargeError(InputError):
    """A request over the limit. Smaller batches would pass."""


class UnsupportedError(InputError):
    """A content type or compression that OTLP does not have."""


class TooManyItemsError(InputError):
    """A request of more items than the limit. Smaller batches would pass."""


class UnauthenticatedError(InputError):
    """A request without a credential where one is required, or with one that is not accepted."""


class ForbiddenError(InputError):
    """A request whose token may not send telemetry."""


class ForeignHostError(InputError):
    """A request to a host that is not answered to: a name of somebody else's may lead here."""


class ForeignOriginError(InputError):
    """A request of a page in a browser that may not send telemetry."""


class ThrottledError(OverloadedError):
    """A token has sent more than it may."""


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
