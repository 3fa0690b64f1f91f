"""Where documents of spans hold what a condition may ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.tempo_api.traceql.syntax import AttributeScope, Intrinsic, LogField

if TYPE_CHECKING:
    from collections.abc import Mapping

FIELDS: Mapping[Intrinsic | LogField, str] = {
    Intrinsic.NAME: "name",
    Intrinsic.STATUS: "status.code",
    Intrinsic.KIND: "kind",
    Intrinsic.DURATION: "duration",
    Intrinsic.SPAN_ID: "span_id",
    Intrinsic.TRACE_ID: "trace_id",
}
"""The path of each."""

PLACES: Mapping[AttributeScope, tuple[str, ...]] = {
    AttributeScope.EITHER: ("attributes", "resource.attributes"),
    AttributeScope.SPAN: ("attributes",),
    AttributeScope.RESOURCE: ("resource.attributes",),
    AttributeScope.INSTRUMENTATION: ("scope.attributes",),
}
"""The objects that have attributes: what comes first hides the rest."""

LENGTHS: Mapping[Intrinsic, int] = {Intrinsic.SPAN_ID: 16, Intrinsic.TRACE_ID: 32}
"""Hex digits of an id."""
