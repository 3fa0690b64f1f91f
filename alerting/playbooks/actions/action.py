"""What an action is, and how it fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from components.component import Component
from components.secrets import SECRETS
from telemetry.errors import SpanloomError
from telemetry.sentences import changed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pydantic import BaseModel

    from alerting.playbooks.actions.steering import Steering

MAX_OUTPUT = 2000
"""Characters that are kept of the output of a target."""


UNREADABLE = (AttributeError, LookupError, TypeError, ValueError)
"""What the official clients raise for an answer that is not what their API promises. Of the target's making, not of ours."""


class ActionError(SpanloomError):
    """An action did not do what it should. The message says what was asked, of whom, and what came back, without secrets.

    Args:
        text: the message, which everybody may read.
        output: the output of the target itself, which only operators may.
    """

    def __init__(self, text: str, output: str = "") -> None:
        super().__init__(changed(text, SECRETS.mask))
        self.output = SECRETS.mask(output)[:MAX_OUTPUT]


def no_dots(path: str) -> str:
    """Accept a path, or a name that becomes part of one, whose segments cannot lead anywhere else.

    Raises:
        ValueError: one is `.` or `..`, which clients and servers fold.
    """
    if not {".", ".."}.isdisjoint(path.split("/")):
        raise ValueError(f"{path!r}: a segment . or .. would lead to another place")
    return path


class Action(Protocol):
    """One verb of playbooks."""

    @property
    def name(self) -> str:
        """What playbooks call it."""
        ...

    @property
    def idempotent(self) -> bool:
        """Whether doing it twice is the same as doing it once. A crash repeats only such actions."""
        ...

    @property
    def arguments(self) -> type[BaseModel]:
        """The model of a step's `with`."""
        ...

    async def run(self, arguments: Any, key: str) -> Mapping[str, str]:
        """Do it; return when it is done, with what an inverse or the audit trail needs to know.

        Args:
            arguments: an instance of `self.arguments`.
            key: the same for a repetition of the same step of the same incident, for targets that drop repetitions.

        Raises:
            ActionError: it failed, or may have.
        """
        ...


@runtime_checkable
class Report(Protocol):
    """An action whose target can say, after a crash of ours, that it was done."""

    async def took_effect(self, arguments: Any, key: str, since: int) -> bool:
        """Whether the run of this key is done. False where it is not, or where nobody can know.

        Args:
            arguments: as those of `run`.
            key: as that of `run`.
            since: when the run was written down as intended, nanoseconds since the epoch.

        Raises:
            ActionError: the target does not answer.
        """
        ...


@runtime_checkable
class RunsPrograms(Protocol):
    """An action that runs programs that a playbook names."""

    @property
    def programs(self) -> Collection[str]:
        """Those that take labels as data, by absolute path."""
        ...


@dataclass(frozen=True, slots=True)
class ActionContext:
    """What actions share.

    Args:
        command: runs programs, with what the configuration lets them see.
        runners: what restarts, isolates and scales, as far as it is configured, by name.
        steering: the control plane, where there is one.
    """

    command: Action
    runners: Mapping[str, object]
    steering: Steering | None = None


ActionComponent = Component[ActionContext, Action | None]
"""Builds None where what the action needs is not there; a playbook that names it is then refused at load."""

RunnerComponent = Component[Action, object]
"""Builds, from the action that runs programs, what keeps one or more of `Restarts`, `Isolates` and `Scales`."""
