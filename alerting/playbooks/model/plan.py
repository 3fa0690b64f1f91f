"""What a playbook file declares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    model_validator,
)

from alerting.promql.expression import compile_expression
from alerting.promql.matchers import Matcher, all_match, parse_matchers
from alerting.variables import RESULT, names_in, render_query
from components.durations import parse_duration
from components.yaml_file import TextError
from telemetry.documents import digest
from telemetry.errors import ConfigError
from telemetry.json_object import JsonObject

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self


def _duration(text: object) -> int:
    if not isinstance(text, str):
        raise ValueError("must be a duration with its unit, for example 30s, 5m or 1h30m")  # noqa: TRY004  pydantic expects ValueError
    try:
        return parse_duration(text)
    except ConfigError as error:
        raise ValueError(str(error)) from error


def _positive(value: int) -> int:
    if value <= 0:
        raise ValueError("must be longer than 0s")
    return value


def _expression(text: object) -> str:
    if not isinstance(text, str) or not text.strip():
        raise ValueError("must be a PromQL expression")
    try:
        compile_expression(render_query(text, dict.fromkeys(names_in(text), "x")))
    except ConfigError as error:
        raise TextError(str(error), _place(text)) from error
    return text.strip()


def _place(text: str) -> int | None:
    """Which character is wrong in an expression, whose labels stand in strings: so it can be read as it is written."""
    try:
        compile_expression(text)
    except ConfigError as error:
        return error.at
    return None


def _matchers(texts: object) -> tuple[Matcher, ...]:
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise ValueError("must be a list of matchers in quotes, for example ['service=\"cart\"']")
    found: list[Matcher] = []
    for i, text in enumerate(texts):
        try:
            found += parse_matchers(text)
        except ConfigError as error:
            raise TextError(str(error), error.at, (i,)) from error
    return tuple(found)


Duration = Annotated[int, BeforeValidator(_duration)]
Timeout = Annotated[Duration, AfterValidator(_positive)]
Expression = Annotated[str, PlainValidator(_expression)]
Matchers = Annotated[
    tuple[Matcher, ...], PlainValidator(_matchers), PlainSerializer(lambda matchers: [str(matcher) for matcher in matchers])
]


class Strict(BaseModel):
    """A part of the file: no unknown field, never changed after it was read."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, arbitrary_types_allowed=True)


class Trigger(Strict):
    """What starts the playbook: an alert or an anomaly whose labels meet every matcher."""

    alert: Matchers = ()
    anomaly: Matchers = ()

    @model_validator(mode="after")
    def _one(self) -> Self:
        if bool(self.alert) == bool(self.anomaly):
            raise ValueError("name matchers for either `alert` or `anomaly`")
        return self


class Target(Strict):
    """What the playbook touches, as texts over labels. Without `instance` it is the whole service."""

    service: str = "$service"
    instance: str = ""


class PlanCondition(Strict):
    """A PromQL expression that must give at least one sample when the playbook is to start."""

    expr: Expression
    because: str = ""


class Verification(Strict):
    """Proof by telemetry: the expression must give samples without a break `for` so long, `within` a deadline."""

    expr: Expression
    hold: Duration = Field(alias="for")
    within: Timeout

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.hold >= self.within:
            raise ValueError("`for` must be shorter than `within`")
        return self


class Inverse(Strict):
    """The action that undoes a step. It may run more than once, so it must be idempotent, by itself or as stated here."""

    action: str
    arguments: JsonObject = Field(default_factory=dict, alias="with")
    timeout: Timeout | None = None
    idempotent: bool = False


class Step(Strict):
    """One action. `undo` names an earlier step instead: its inverse runs now, as a step of the way forward."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    phase: Literal["isolate", "repair"] = "repair"
    action: str = ""
    arguments: JsonObject = Field(default_factory=dict, alias="with")
    timeout: Timeout | None = None
    idempotent: bool | None = None
    inverse: Inverse | Literal["none"] | None = None
    undo: str = ""
    verify: Verification | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if bool(self.action) == bool(self.undo):
            raise ValueError("name either an `action` or an earlier step to `undo`")
        if self.undo and (self.arguments or self.timeout or self.inverse or self.idempotent is not None):
            raise ValueError("a step that undoes has its action, arguments and timeout from the inverse that it names")
        if self.action and self.timeout is None:
            raise ValueError("needs a `timeout`")
        if self.action and self.inverse is None:
            raise ValueError("needs an `inverse`: an action that undoes it, or `none` where nothing can")
        return self


class Approval(Strict):
    """A human must agree before the first step, within a time."""

    human: Timeout


class Playbook(Strict):
    """A declared repair."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    description: str = ""
    trigger: Trigger
    event: str = ""
    target: Target = Target()
    conditions: tuple[PlanCondition, ...] = ()
    approve: Literal["automatic"] | Approval
    cooldown: Duration
    steps: tuple[Step, ...] = Field(min_length=1, max_length=32)
    verify: Verification

    def answers(self, source: str, labels: Mapping[str, str]) -> bool:
        """Whether an alert or an anomaly with these labels triggers it."""
        matchers = self.trigger.alert if source == "alert" else self.trigger.anomaly
        return bool(matchers) and all_match(matchers, labels)

    def approve_by(self, now: int, doubted: int) -> int:
        """Until when a human may approve; 0 where none is asked.

        Args:
            now: ns.
            doubted: how long a human has though the playbook asks none; 0 where nothing speaks against its start.
        """
        within = self.approve.human if isinstance(self.approve, Approval) else doubted
        return now + within if within else 0

    @property
    def expressions(self) -> tuple[str, ...]:
        """What it asks the telemetry, as texts over labels."""
        steps = (step.verify.expr for step in self.steps if step.verify)
        return (*(condition.expr for condition in self.conditions), *steps, self.verify.expr)

    @property
    def revision(self) -> str:
        """A digest of all that it declares."""
        return digest(orjson.dumps(self.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS))[:16]

    @model_validator(mode="after")
    def _steps_agree(self) -> Self:
        seen: dict[str, Step] = {}
        undone: set[str] = set()
        for step in self.steps:
            if step.name in seen:
                raise ValueError(f"two steps have the name {step.name!r}")
            if step.undo:
                named = seen.get(step.undo)
                if named is None or not isinstance(named.inverse, Inverse):
                    raise ValueError(f"step {step.name!r}: undo: no earlier step {step.undo!r} that has an inverse")
                if step.undo in undone:
                    raise ValueError(f"step {step.name!r}: undo: {step.undo!r} is undone already")
                undone.add(step.undo)
            seen[step.name] = step
        return self

    @model_validator(mode="after")
    def _texts_are_templates(self) -> Self:
        forward = [self.target.model_dump(), *(step.arguments for step in self.steps)]
        try:
            wanted = names_in(forward)
            names_in([step.inverse.arguments for step in self.steps if isinstance(step.inverse, Inverse)])
        except ConfigError as error:
            raise ValueError(str(error)) from error
        results = sorted(name for name in wanted if name.startswith(RESULT))
        if results:
            raise ValueError(f"${results[0]}: a step's result is known to its inverse only")
        return self
