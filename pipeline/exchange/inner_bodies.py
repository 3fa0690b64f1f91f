"""The forms of bodies in records between stages: whoever may write to Kafka may write these records.

A body of another form is an error of input when it is read, for a stage fails much later at a text where it adds numbers up.
Fields beside these are let through: a later release may add some.
"""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from alerting.rules.book import NAMESPACE
from processors.feedback.mark import Mark
from telemetry.call_graph import NodeKind
from telemetry.environment import DEFAULT_ENVIRONMENT
from telemetry.errors import DecodeError
from telemetry.findings import AnomalyKind

MAX_BUCKETS = 10_000
"""Buckets of one histogram; ours have a few hundred."""

Form = TypeVar("Form")
Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Time = Annotated[int, Field(ge=0, lt=2**63)]
Number = Annotated[float, Field(allow_inf_nan=False)]
TraceId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class _Form(BaseModel):
    model_config = ConfigDict(strict=True)


class _Node(_Form):
    kind: Annotated[NodeKind, Field(strict=False)]
    name: str


class _Buckets(_Form):
    scale: Annotated[int, Field(ge=-20, le=52)]
    zero_count: Whole
    positive_offset: Annotated[int, Field(ge=-(2**31), lt=2**31)]
    positive: Annotated[list[Whole], Field(max_length=MAX_BUCKETS)]


class _Edge(_Form):
    environment: str = DEFAULT_ENVIRONMENT
    caller: _Node
    callee: _Node
    operation: str
    protocol: str
    window: Time
    width: Annotated[int, Field(gt=0, lt=2**63)]
    calls: Whole
    failures: Whole
    latency_sum: Number
    latency: _Buckets
    self_time_sum: Number
    critical_path_sum: Number
    exemplars: list[TraceId]
    exemplar_durations: list[Whole]
    failed_traces: list[TraceId] = []
    partition: Annotated[int, Field(ge=0, lt=2**31)]
    correction: bool

    @model_validator(mode="after")
    def _as_many(self) -> _Edge:
        if len(self.exemplars) != len(self.exemplar_durations):
            raise ValueError("as many exemplar_durations as exemplars")
        return self


class _Series(_Form):
    name: str
    labels: dict[str, str]


class _Anomaly(_Form):
    id: str
    kind: Annotated[AnomalyKind, Field(strict=False)]
    series: _Series
    service: str
    operation: str
    instance: str
    environment: str
    start: Time
    end: Time
    score: Number
    expected: Number | None
    seen: Number | None
    unit: str
    why: str
    trace_ids: list[TraceId]


class _Answer(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    incident: str
    expires: str
    token: str
    approved: bool
    who: str


class _Source(_Form):
    source: Annotated[str, Field(min_length=1)]


class _Silence(_Form):
    id: Annotated[str, Field(min_length=1, max_length=100)]
    matchers: Annotated[list[Annotated[list[str], Field(min_length=3, max_length=3)]], Field(min_length=1)]
    starts_at: Time
    ends_at: Time
    updated_at: Time
    created_by: str
    comment: str


class _Namespace(_Form):
    """The groups of a namespace of rules, each as YAML; none where it was removed."""

    namespace: Annotated[str, Field(pattern=f"^{NAMESPACE}$")]
    changed_at: Time
    groups: dict[str, str]


class _Switch(_Form):
    """Who stopped repairs; empty where somebody let them go on."""

    environment: str | None
    stopped_by: str
    by: str
    at: Time


class _Settings(_Form):
    silences: list[_Silence] = []
    rules: list[_Namespace] = []
    switches: list[_Switch] = []
    marks: list[Mark] = []


EDGES = TypeAdapter(list[_Edge])
ANOMALIES = TypeAdapter(list[_Anomaly])
ANSWERS = TypeAdapter(list[_Answer])
SOURCES = TypeAdapter(list[_Source])
SETTINGS = TypeAdapter(list[_Settings])
MARKS = TypeAdapter(list[Mark])


def check(form: TypeAdapter[Form], bodies: list[dict[str, object]]) -> list[dict[str, object]]:
    """The bodies, which have that form.

    Raises:
        DecodeError: one has another; names the field.
    """
    try:
        form.validate_python(bodies)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        path = "".join(f"[{part!r}]" for part in first["loc"])
        raise DecodeError(path, f"{first['msg']} ({error.error_count()} errors)") from None
    return bodies
