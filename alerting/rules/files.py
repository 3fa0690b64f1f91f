"""Rule files in Prometheus's format, read and compiled.

https://prometheus.io/docs/prometheus/latest/configuration/recording_rules/
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

import structlog
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from alerting.gotemplates.execute import compile_template
from alerting.gotemplates.functions import ANNOTATION, OF_EVALUATION, VARIABLES
from alerting.promql.expression import compile_expression
from alerting.promql.vectors import Labels, labels_of
from alerting.rules.slos import burn_rates
from alerting.rules.slos.openslo import is_openslo, read_slos
from components.durations import MINUTE, parse_duration
from components.yaml_file import YamlFile, without_null
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from alerting.gotemplates.execute import Template
    from alerting.promql.expression import Expression

log = structlog.get_logger(__name__)


def _duration(value: object) -> int:
    try:
        return parse_duration(str(value))
    except ConfigError as error:
        raise ValueError(str(error)) from None


class Wrong(Protocol):
    """Takes what is wrong with a field of a rule, and which character of it is the first that is."""

    def __call__(self, field: str, reason: str, at: int | None = None, /) -> None:
        """Report it."""
        ...


Duration = Annotated[int, BeforeValidator(_duration)]


def _text(value: object) -> object:
    return "" if value is None else value


TextValue = Annotated[str, BeforeValidator(_text)]
"""The value of a label or an annotation; one without a value is empty."""


class _RuleFileModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    _left_open = model_validator(mode="before")(without_null)


class RuleConfig(_RuleFileModel):
    """One rule as written: `record` or `alert`."""

    record: str = ""
    alert: str = ""
    expr: str
    hold: Duration = Field(0, alias="for")
    keep_firing_for: Duration = 0
    labels: dict[str, TextValue] = {}
    annotations: dict[str, TextValue] = {}

    @model_validator(mode="after")
    def _one_kind(self) -> RuleConfig:
        if bool(self.record) == bool(self.alert):
            raise ValueError("a rule has either record or alert")
        if self.record and (self.hold or self.keep_firing_for or self.annotations):
            raise ValueError("a recording rule has no for, keep_firing_for or annotations")
        return self


class GroupConfig(_RuleFileModel):
    """A group as written."""

    name: Annotated[str, Field(min_length=1)]
    interval: Duration = 0
    limit: Annotated[int, Field(ge=0)] = 0
    query_offset: Duration = 0
    labels: dict[str, TextValue] = {}
    rules: list[RuleConfig] = []
    scope: Literal["environment", "global"] = "environment"  # ours: evaluated in each environment, or once over all
    partial_response_strategy: Literal["warn", "abort", ""] = ""  # Thanos's, without meaning here


class RuleFileConfig(_RuleFileModel):
    """A rule file as written."""

    groups: list[GroupConfig] = []


@dataclass(frozen=True, slots=True)
class Rule:
    """A compiled rule. `name` is the recorded series' or the alert's; `labels` and `annotations` are templates of an alert."""

    kind: Literal["record", "alert"]
    name: str
    expr: Expression
    hold: int = 0
    keep_firing_for: int = 0
    labels: tuple[tuple[str, Template], ...] = ()
    annotations: tuple[tuple[str, Template], ...] = ()
    fixed_labels: Labels = ()  # of a recording rule
    source: RuleConfig | None = None
    asks: bool = False  # whether a text of its alerts has an expression in it

    @property
    def identity(self) -> str:
        """What a changed file must leave alike for the rule to keep its state: kind, name, expression, labels."""
        labels = sorted(self.source.labels.items()) if self.source else self.fixed_labels
        return f"{self.kind}\0{self.name}\0{self.expr.text}\0{labels}"


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """Rules evaluated together, in their order, at one time. Durations in nanoseconds."""

    file: str
    name: str
    interval: int
    limit: int
    query_offset: int
    rules: tuple[Rule, ...]
    is_global: bool = False  # evaluated once over all environments, not in each


def load_rules(paths: Iterable[Path], default_interval: int = MINUTE) -> tuple[RuleGroup, ...]:
    """The groups of rule files, in their order.

    Raises:
        ConfigError: a file that cannot be read or has an error; the message has a line for each.
    """
    groups: list[RuleGroup] = []
    problems: list[str] = []
    for path in paths:
        try:
            groups.extend(parse_rules(path.read_text(encoding="utf-8"), str(path), default_interval))
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"{path}: cannot be read: {error}")
        except ConfigError as error:
            problems.append(str(error))
    if problems:
        raise ConfigError("\n".join(problems))
    return tuple(groups)


def parse_rules(text: str, name: str, default_interval: int = MINUTE) -> tuple[RuleGroup, ...]:
    """The groups of one rule file: of its first document, as Prometheus reads it; a warning names the rest.

    Raises:
        ConfigError: `file:line: group "x": field: reason`, a line for each error.
    """
    file = YamlFile(text, name, first=True)
    if file.unread_from:
        log.warning("rules_not_read", file=name, line=file.unread_from, reason="Prometheus reads the first document of a file")
    return read_rules(file, default_interval)


def read_rules(file: YamlFile, default_interval: int = MINUTE) -> tuple[RuleGroup, ...]:
    """The groups of one rule file, or of one with an objective in OpenSLO's format.

    Raises:
        ConfigError: as of `parse_rules`.
    """
    if is_openslo(file.data):
        made = [group for slo in read_slos(file) for group in burn_rates.groups(slo)]
        config = RuleFileConfig.model_validate({"groups": made})
        return tuple(_compile_group(file, group, (), default_interval, []) for group in config.groups)
    problems: list[str] = []
    try:
        config = file.read(RuleFileConfig, as_written=True)
    except ConfigError as error:
        problems += str(error).split("\n")
        config = _readable(file)
    groups: list[RuleGroup] = []
    seen: set[str] = set()
    for g, group in enumerate(config.groups):
        if group.name in seen:
            problems.append(str(file.error(("groups", g, "name"), f'group "{group.name}": name is used twice in this file')))
        seen.add(group.name)
        groups.append(_compile_group(file, group, ("groups", g), default_interval, problems))
    if problems:
        raise ConfigError("\n".join(sorted(problems, key=file.order)))
    return tuple(groups)


def _readable(file: YamlFile) -> RuleFileConfig:
    """The rules of a file that is wrong elsewhere, at their places, so that all its mistakes are reported at once."""
    written = file.written()
    groups = written.get("groups") if isinstance(written, dict) else None
    found = []
    for group in groups if isinstance(groups, list) else ():
        rules = group.get("rules") if isinstance(group, dict) else None
        if not isinstance(rules, list):
            rules = []
        name = str(group.get("name")) if isinstance(group, dict) else ""
        found.append(GroupConfig.model_construct(name=name, rules=[_readable_rule(rule) for rule in rules]))
    return RuleFileConfig.model_construct(groups=found)


def _readable_rule(rule: object) -> RuleConfig:
    try:
        return RuleConfig.model_validate(rule)
    except ValidationError:  # reported already
        return RuleConfig.model_validate({"record": "unreadable", "expr": "1"})


def read_group(file: YamlFile, default_interval: int = MINUTE) -> RuleGroup:
    """A group that stands alone, as the APIs of rulers take it.

    Raises:
        ConfigError: as of `parse_rules`.
    """
    problems: list[str] = []
    group = _compile_group(file, file.read(GroupConfig, as_written=True), (), default_interval, problems)
    if problems:
        raise ConfigError("\n".join(problems))
    return group


def _compile_group(
    file: YamlFile, group: GroupConfig, path: tuple[str | int, ...], default_interval: int, problems: list[str]
) -> RuleGroup:
    interval = group.interval or default_interval
    rules = []
    for r, rule in enumerate(group.rules):

        def wrong(field: str, reason: str, at: int | None = None, r: int = r) -> None:
            where: tuple[str | int, ...] = (*path, "rules", r, *field.split(".", 1))
            if field.startswith("labels.") and field.removeprefix("labels.") not in group.rules[r].labels:
                where = (*path, *field.split(".", 1))  # of the group
            problems.append(str(file.error(where, f'group "{group.name}": {field}: {reason}', at)))

        compiled = _compile(rule, group, interval, wrong)
        if compiled is not None:
            rules.append(compiled)
    return RuleGroup(file.name, group.name, interval, group.limit, group.query_offset, tuple(rules), group.scope == "global")


def _compile(rule: RuleConfig, group: GroupConfig, interval: int, wrong: Wrong) -> Rule | None:
    """The rule; what is wrong goes to `wrong`, by field, and then there may be none."""
    expr = None
    try:
        expr = compile_expression(rule.expr, interval)
    except ConfigError as error:
        wrong("expr", str(error), error.at)
    labels = group.labels | rule.labels
    for name in labels:
        if not _is_label_name(name) or name == "__name__":
            wrong(f"labels.{name}", f'"{name}" is not a label name')
    if rule.record:
        if not _is_label_name(rule.record.replace(":", "_")):
            wrong("record", f'"{rule.record}" is not a metric name')
        return None if expr is None else Rule("record", rule.record, expr, fixed_labels=labels_of(labels), source=rule)
    for name in rule.annotations:
        if not _is_label_name(name):
            wrong(f"annotations.{name}", f'"{name}" is not an annotation name')
    label_texts = tuple(_templates("labels", labels, wrong))
    annotations = tuple(_templates("annotations", rule.annotations, wrong))
    if expr is None:
        return None
    asks = any(template.calls("query") for _, template in (*label_texts, *annotations))
    return Rule("alert", rule.alert, expr, rule.hold, rule.keep_firing_for, label_texts, annotations, source=rule, asks=asks)


def _templates(field: str, texts: Mapping[str, str], wrong: Wrong) -> Iterator[tuple[str, Template]]:
    for name, text in sorted(texts.items()):
        try:
            yield name, compile_template(text, {*ANNOTATION, *OF_EVALUATION}, variables=VARIABLES)
        except ConfigError as error:
            wrong(f"{field}.{name}", str(error), error.at)


def _is_label_name(name: str) -> bool:
    return name.isascii() and name.replace("_", "a").isalnum() and not name[0].isdigit()
