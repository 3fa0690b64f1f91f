"""Objectives as OpenSLO v1 writes them (https://github.com/OpenSLO/OpenSLO).

Of the specification this reads SLOs with their indicator inline: a ratio of Prometheus counters over a rolling window, budgeted
by occurrences. What else it has is refused by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, Self

import promql_parser
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from alerting.promql.expression import compile_expression, parse
from components.durations import HOUR, format_duration, parse_duration
from components.yaml_file import TextError, without_null
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from components.yaml_file import YamlFile

VERSION = "openslo/v1"
WINDOW = "{{.window}}"
"""Stands in a query for the range over which a rate is taken, as with sloth."""
_ANY_WINDOW = "5m".rjust(len(WINDOW), "0")
"""As long as that, so that places in the query stay."""

_SHORTEST = 24 * HOUR
_REFUSED = {
    "indicatorRef": "write the indicator inline: a file holds one objective",
    "thresholdMetric": "only ratioMetric is supported: count what is good or bad of a total",
    "raw": "write good or bad, and total: a stored ratio cannot be added up over time",
    "rawType": "only for raw, which is not supported",
    "calendar": "only rolling windows are supported",
    "timeSliceTarget": "only Occurrences are supported",
    "timeSliceWindow": "only Occurrences are supported",
    "alertPolicies": "alerts are made by burn rate; routes of receivers choose them by their labels",
    "op": "only for thresholdMetric, which is not supported",
    "value": "only for thresholdMetric, which is not supported",
}


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    _left_open = model_validator(mode="before")(without_null)


def _rolling(value: object) -> int:
    try:
        duration = parse_duration(str(value))
    except ConfigError as error:
        raise ValueError(f"{error}; a rolling window is written in days or weeks") from None
    if duration < _SHORTEST:
        raise ValueError("must be a day at least: burn rates are taken over parts of it")
    return duration


def _query(text: str) -> str:
    """A query that ranges over the window: as it is where it says so, else the increase of the counters that it selects."""
    try:
        if WINDOW in text:
            compile_expression(text.replace(WINDOW, _ANY_WINDOW))
            return text
        tree = parse(text)
    except ConfigError as error:
        raise TextError(f"invalid promql query: {error}", error.at) from None
    if isinstance(tree, promql_parser.AggregateExpr) and str(tree.op) == "sum" and tree.modifier is None:
        tree = tree.expr
    if not isinstance(tree, promql_parser.VectorSelector) or tree.offset is not None or tree.at is not None:
        raise ValueError(f"write a selector of counters, such as requests_total{{code=~'5..'}}, or a query over [{WINDOW}]")
    return f"sum(increase({tree.prettify()}[{WINDOW}]))"


class _MetadataConfig(_Model):
    name: Annotated[str, Field(pattern="^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
    display_name: Annotated[str, Field(alias="displayName")] = ""
    labels: dict[str, object] = {}
    annotations: dict[str, str] = {}


class _QueryConfig(_Model):
    query: Annotated[str, AfterValidator(_query)]


class _SourceConfig(_Model):
    type: Literal["Prometheus", "prometheus"] = "Prometheus"
    reference: Annotated[str, Field(alias="metricSourceRef")] = ""
    spec: _QueryConfig


class _MetricConfig(_Model):
    source: Annotated[_SourceConfig, Field(alias="metricSource")]


class _RatioConfig(_Model):
    counter: Literal["true"] = "true"
    good: _MetricConfig | None = None
    bad: _MetricConfig | None = None
    total: _MetricConfig

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.good is None) == (self.bad is None):
            raise ValueError("either good or bad is needed")
        return self


class _IndicatorSpecConfig(_Model):
    description: Annotated[str, Field(max_length=1050)] = ""
    ratio: Annotated[_RatioConfig, Field(alias="ratioMetric")]


class _IndicatorConfig(_Model):
    metadata: _MetadataConfig | None = None
    spec: _IndicatorSpecConfig


class _TimeWindowConfig(_Model):
    duration: Annotated[int, BeforeValidator(_rolling)]
    is_rolling: Annotated[Literal["true"], Field(alias="isRolling")] = "true"


class _ObjectiveConfig(_Model):
    display_name: Annotated[str, Field(alias="displayName")] = ""
    target: Annotated[float | None, Field(ge=0, lt=1)] = None
    percent: Annotated[float | None, Field(alias="targetPercent", ge=0, lt=100)] = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.target is None) == (self.percent is None):
            raise ValueError("either target or targetPercent is needed")
        return self


class _SpecConfig(_Model):
    description: Annotated[str, Field(max_length=1050)] = ""
    service: Annotated[str, Field(min_length=1, max_length=1024)]
    indicator: _IndicatorConfig
    windows: Annotated[list[_TimeWindowConfig], Field(alias="timeWindow", min_length=1, max_length=1)]
    method: Annotated[Literal["Occurrences"], Field(alias="budgetingMethod")] = "Occurrences"
    objectives: Annotated[list[_ObjectiveConfig], Field(min_length=1, max_length=10)]


class _SloConfig(_Model):
    api_version: Annotated[Literal["openslo/v1"], Field(alias="apiVersion")]
    kind: Literal["SLO"]
    metadata: _MetadataConfig
    spec: _SpecConfig


@dataclass(frozen=True, slots=True)
class Slo:
    """An objective: `target` of the requests are good over each `window`, ns. `failed` and `total` range over `WINDOW`.

    Attributes:
        good: whether `failed` counts what is good instead.
    """

    name: str
    title: str
    service: str
    target: float
    window: int
    numerator: str
    total: str
    good: bool

    def error_ratio(self, window: int) -> str:
        """PromQL: the share of failed requests over a time, ns. None failed where nothing counts failures yet."""
        numerator, total = (text.replace(WINDOW, format_duration(window)) for text in (self.numerator, self.total))
        share = f"(({numerator}) or ({total}) * 0) / (({total}) > 0)"
        return f"clamp_min(1 - {share}, 0)" if self.good else share


def is_openslo(data: object) -> bool:
    """Whether a document of YAML is one of OpenSLO."""
    return isinstance(data, dict) and str(data.get("apiVersion", "")).startswith("openslo/")


def read_slos(file: YamlFile) -> tuple[Slo, ...]:
    """The objectives of a file: one for each target.

    Raises:
        ConfigError: `file:line:column: reason`, a line for each error.
    """
    config = file.read(_SloConfig, refused=_REFUSED, as_written=True)
    spec = config.spec
    ratio = spec.indicator.spec.ratio
    numerator = ratio.good or ratio.bad
    assert numerator is not None  # noqa: S101 - as validated
    return tuple(
        Slo(
            name=config.metadata.name,
            title=objective.display_name or config.metadata.display_name or config.metadata.name,
            service=spec.service,
            target=objective.target if objective.target is not None else round((objective.percent or 0) / 100, 12),
            window=spec.windows[0].duration,
            numerator=numerator.source.spec.query,
            total=ratio.total.source.spec.query,
            good=ratio.good is not None,
        )
        for objective in spec.objectives
    )
