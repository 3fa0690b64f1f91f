"""What the names in a search of spans, and of logs, stand for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from alerting.promql.regex import Regex
from dashboards.tempo_api.traceql.syntax import (
    Attribute,
    AttributeScope,
    Comparison,
    Either,
    Intrinsic,
    LogField,
    Operator,
    TraceField,
    Value,
    ValueType,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dashboards.tempo_api.traceql.syntax import Condition, Field

SERVICE_FIELD = Attribute(AttributeScope.RESOURCE, "service.name")

_TRACE_ID = re.compile(r"[0-9a-fA-F]{32}")
_SCOPES = {
    "span": AttributeScope.SPAN,
    "resource": AttributeScope.RESOURCE,
    "log": AttributeScope.SPAN,
    "scope": AttributeScope.INSTRUMENTATION,
}


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The names of a signal's own fields, and what a word alone looks for.

    Args:
        fields: by the names that are not attributes.
        word: the condition of a text without a field.
        scope: how the attributes of the signal itself, and not of its resource, can be named: `span` or `log`.
    """

    fields: Mapping[str, Field]
    word: Callable[[str], Condition]
    scope: str

    def field(self, name: str) -> Field:
        """What a name stands for: a field, or an attribute."""
        known = self.fields.get(name)
        if known is not None:
            return known
        scope, dot, rest = name.partition(".")
        if dot and rest and scope in {self.scope, "resource", "scope"}:
            return Attribute(_SCOPES[scope], rest)
        return Attribute(AttributeScope.EITHER, name)


def _contains(field: Field, text: str) -> Condition:
    pattern = f"(?is).*{re.escape(text)}.*"
    return Comparison(field, Operator.REGEX, Value(ValueType.STRING, pattern), Regex.of(pattern))


def _word_of_spans(text: str) -> Condition:
    if _TRACE_ID.fullmatch(text):
        return Comparison(Intrinsic.TRACE_ID, Operator.EQUAL, Value(ValueType.STRING, text.lower()))
    return Either(_contains(SERVICE_FIELD, text), _contains(Intrinsic.NAME, text))


def _word_of_logs(text: str) -> Condition:
    if _TRACE_ID.fullmatch(text):
        return Comparison(Intrinsic.TRACE_ID, Operator.EQUAL, Value(ValueType.STRING, text.lower()))
    return Comparison(LogField.TEXT, Operator.EQUAL, Value(ValueType.STRING, text))


_SHARED: Mapping[str, Field] = {
    "service": SERVICE_FIELD,
    "service.name": SERVICE_FIELD,
    "trace_id": Intrinsic.TRACE_ID,
    "span_id": Intrinsic.SPAN_ID,
}

SPANS = Vocabulary(
    {
        **_SHARED,
        "operation": Intrinsic.NAME,
        "name": Intrinsic.NAME,
        "status": Intrinsic.STATUS,
        "kind": Intrinsic.KIND,
        "duration": Intrinsic.DURATION,
        "parent_span_id": Intrinsic.PARENT_ID,
        "status.message": Intrinsic.STATUS_MESSAGE,
        "scope.name": Intrinsic.INSTRUMENTATION_NAME,
        "anomaly.score": TraceField.ANOMALY_SCORE,
    },
    _word_of_spans,
    "span",
)

LOGS = Vocabulary({**_SHARED, "severity": LogField.SEVERITY, "text": LogField.TEXT}, _word_of_logs, "log")
