"""The error tree.

SpanloomError                 something failed; the message says what, where and what to do next
├── InputError                what came in is wrong: counted, and refused or sent to the dead letters
│   ├── DecodeError           bytes that are not what they claim to be
│   └── ConfigError           a configuration, rule or playbook that cannot be used
├── OverloadedError           a bound is reached: try again later
├── StoreError                the store did not take or give documents
└── UnrecoverableError        another start would end the same: a person has to change something first
    └── InUseError            another process has the port or folder that the configuration names

Each folder derives its own errors from these.
"""

from __future__ import annotations


class SpanloomError(Exception):
    """Something failed. The message says what, where and what to do next."""


class InputError(SpanloomError):
    """What came in is wrong. The sender has to fix it: a retry without a change fails again."""


class DecodeError(InputError):
    """Bytes that are not what they claim to be.

    Args:
        field: where in the message, as a path such as ``resource_spans[0].scope_spans[1].spans[4].trace_id``.
        reason: what is wrong with it.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.field = field
        self.reason = reason


class ConfigError(InputError):
    """A configuration, rule file or playbook that cannot be used. The message has its path and line.

    Args:
        message: what is wrong, and where.
        at: of an error in a text that is part of a file: the first character of what is wrong, from zero; none if unknown.
    """

    def __init__(self, message: str, at: int | None = None) -> None:
        super().__init__(message)
        self.at = at


class OverloadedError(SpanloomError):
    """A bound is reached.

    Args:
        retry_after: seconds after which another try makes sense.
    """

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UnrecoverableError(SpanloomError):
    """Another start would end the same: a person has to change something first. No supervisor starts the process again."""


class InUseError(UnrecoverableError):
    """A port or folder that the configuration names cannot be had, mostly as another process has it: exit code 2."""


class StoreError(SpanloomError):
    """The store did not take or give documents. Trying again later may help."""
