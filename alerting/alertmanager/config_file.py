"""Alertmanager's configuration file as written: routes, inhibition, time intervals, receivers.

https://prometheus.io/docs/alerting/latest/configuration/. Beyond Alertmanager's fields there are `topology_inhibit_rules`
and the receivers' `apprise_configs`. `tracing` is accepted without effect.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    create_model,
    field_validator,
    model_validator,
)

from alerting.alertmanager.inhibition import AFTERWARDS
from alerting.alertmanager.time_intervals import TimeInterval
from alerting.alerts import KEEP_RESOLVED
from alerting.notify.defaults import GlobalConfig
from alerting.notify.secret import LocalPath
from alerting.promql.matchers import Matcher, parse_matchers
from alerting.promql.regex import Regex
from alerting.rules.files import Duration, TextValue
from components.yaml_file import TextError, without_null
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alerting.notify.build import NotifierComponent
    from alerting.notify.receiver import ReceiverConfig
    from telemetry.json_object import JsonObject


def _matchers(value: object) -> tuple[Matcher, ...]:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise ValueError("matchers are a list of strings")
    return tuple(matcher for i, item in enumerate(items) for matcher in _parsed(item, (i,) if isinstance(value, list) else ()))


def _parsed(item: str, steps: tuple[int, ...]) -> tuple[Matcher, ...]:
    try:
        return parse_matchers(item)
    except ConfigError as error:
        raise TextError(str(error), error.at, steps) from None


def _patterns(value: dict[str, TextValue]) -> dict[str, TextValue]:
    for name, pattern in value.items():
        try:
            Regex.of(pattern)
        except ConfigError as error:
            raise TextError(str(error), error.at, (name,)) from None
    return value


Patterns = Annotated[dict[str, TextValue], AfterValidator(_patterns)]
Matchers = Annotated[tuple[Matcher, ...], BeforeValidator(_matchers)]


class _FileModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    _left_open = model_validator(mode="before")(without_null)


class RouteConfig(_FileModel):
    """A route as written; what is None comes from the parent."""

    receiver: str = ""
    group_by: list[str] | None = None
    continues: bool = Field(False, alias="continue")
    match: dict[str, TextValue] = {}
    match_re: Patterns = {}
    matchers: Matchers = ()
    group_wait: Duration | None = None
    group_interval: Duration | None = None
    repeat_interval: Duration | None = None
    mute_time_intervals: list[str] = []
    active_time_intervals: list[str] = []
    routes: list[RouteConfig] = []

    @field_validator("group_by")
    @classmethod
    def _each_label_once(cls, value: list[str] | None) -> list[str] | None:
        if value is not None and len(value) > 1 and "..." in value:
            raise ValueError('cannot have other labels beside "..."')
        if value is not None and len(set(value)) < len(value):
            raise ValueError("the same label twice")
        return value


class InhibitConfig(_FileModel):
    """An inhibition rule as written."""

    source_match: dict[str, TextValue] = {}
    source_match_re: Patterns = {}
    source_matchers: Matchers = ()
    target_match: dict[str, TextValue] = {}
    target_match_re: Patterns = {}
    target_matchers: Matchers = ()
    equal: list[str] = []


class TopologyConfig(_FileModel):
    """Mute alerts on services that call the service of a firing culprit; all of them, or those of `target_matchers`."""

    culprit_matchers: Matchers
    target_matchers: Matchers = ()
    label: str = "service"
    afterwards: Annotated[Duration, Field(le=KEEP_RESOLVED)] = AFTERWARDS


class Receiver(_FileModel):
    """A receiver and the ways to reach it."""

    name: Annotated[str, Field(min_length=1)]

    def ways(self) -> Iterator[tuple[str, ReceiverConfig]]:
        """Every way to reach it, with the name of its notifier."""
        for name, value in self:
            if name != "name":
                yield from ((name.removesuffix(_CONFIGS), config) for config in value)


_CONFIGS = "_configs"


class NamedIntervals(_FileModel):
    """Time intervals under a name."""

    name: Annotated[str, Field(min_length=1)]
    time_intervals: list[TimeInterval]


class AlertmanagerFile(_FileModel):
    """The file as written."""

    settings: GlobalConfig = Field(default_factory=GlobalConfig, alias="global")
    templates: list[LocalPath] = []
    route: RouteConfig
    receivers: list[Receiver] = []
    inhibit_rules: list[InhibitConfig] = []
    topology_inhibit_rules: list[TopologyConfig] = []
    time_intervals: list[NamedIntervals] = []
    mute_time_intervals: list[NamedIntervals] = []
    tracing: dict[str, object] | None = None  # accepted, and has no effect


@cache
def file_model(notifiers: tuple[NotifierComponent, ...]) -> type[AlertmanagerFile]:
    """The model of a file whose receivers may name these notifiers."""
    ways: JsonObject = {one.name + _CONFIGS: (list[one.config], []) for one in notifiers}  # type: ignore[name-defined]  # a type that is known at run time alone
    receiver = create_model("Receiver", __base__=Receiver, **ways)
    return create_model("AlertmanagerFile", __base__=AlertmanagerFile, receivers=(list[receiver], []))  # type: ignore[valid-type]  # as above
