"""What a component is: something that can be added to Spanloom by one file and one line of `spanloom/components.py`.

Its declaration stands at the end of its file. From it come its section of the configuration with the defaults, its part of
the reference page, what `spanloom components` shows, and the contract suite that it has to pass.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, SecretStr

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


class ComponentKind(StrEnum):
    """What it does, and with that which protocol it keeps."""

    RECEIVER = "receiver"  # accepts telemetry: collectors.receiver.Receiver
    DETECTOR = "detector"  # finds anomalies: processors.detectors.detector.Detector
    NOTIFIER = "notifier"  # sends notifications: alerting.notify.notification.Notifier
    ACTION = "action"  # a verb of playbooks: alerting.playbooks.actions.action.Action
    RUNNER = "runner"  # what restarts, isolates or scales, named by `via`: alerting.playbooks.actions.process
    STORE = "store"  # keeps documents: stores.store.Store


class Stability(StrEnum):
    """How much of its configuration and behaviour may still change."""

    EXPERIMENTAL = "experimental"  # in any release
    BETA = "beta"  # with a note in the changelog
    STABLE = "stable"  # with a major release only


class NoConfig(BaseModel):
    """Nothing can be configured."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Context = TypeVar("Context")
Built_co = TypeVar("Built_co", covariant=True)


@dataclass(frozen=True, kw_only=True)
class Component(Generic[Context, Built_co]):
    """The declaration of a component.

    Args:
        kind: which protocol it keeps.
        name: unique within its kind: its name in the configuration.
        config: the model of its section; the only source of its defaults.
        build: makes one from its configuration and what components of the kind share. Nothing is started or connected yet.
        summary: one line on what it is for.
        stability: how much of it may still change.
        extras: of the package's extras, those that it needs, `spanloom[apprise]`.
        example: settings that make a section of it valid, besides those that have a default.
        required: whether its section has to be written for it to be there, for no default would be right.
    """

    kind: ComponentKind
    name: str
    config: type[BaseModel] = NoConfig
    build: Callable[[Any, Context], Built_co]
    summary: str
    stability: Stability
    example: Mapping[str, object] = field(default_factory=dict, hash=False)
    extras: tuple[str, ...] = ()
    required: bool = False

    def example_config(self) -> BaseModel:
        """The configuration that `example` makes."""
        return self.config(**self.example)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Settings that hold a secret, by path."""
        return tuple(_secrets(self.config))


AnyComponent = Component[Any, object]


def _secrets(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, info in model.model_fields.items():
        path = prefix + (info.alias or name)
        for part in _parts(info.annotation):
            if part is SecretStr:
                yield path
            elif isinstance(part, type) and issubclass(part, BaseModel):
                yield from _secrets(part, path + ".")


def _parts(annotation: object) -> Iterator[object]:
    """The types within an annotation: those of a union, the items of a list, the values of a mapping."""
    arguments = get_args(annotation)
    if not arguments:
        yield annotation
    for argument in arguments:
        yield from _parts(argument)
