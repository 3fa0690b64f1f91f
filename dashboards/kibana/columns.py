"""Columns of a Lens table, as Kibana saves them in the state of a form-based layer.

Filters are written in Lucene's syntax: Elasticsearch runs it as it stands (`query_string`), without Kibana.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

Json = dict[str, Any]

RECORDS = "___records___"
"""What Lens counts when it counts documents."""


class Column(Protocol):
    """One column of a layer. May need others behind it, which Lens keeps beside it under ids of their own."""

    @property
    def label(self) -> str:
        """The heading."""
        ...

    def states(self, id_: str) -> dict[str, Json]:
        """Column id -> state; `id_` is the one that is shown."""
        ...


@dataclass(frozen=True, slots=True)
class Over:
    """Buckets of time."""

    field: str = "@timestamp"
    label: str = "Time"

    def states(self, id_: str) -> dict[str, Json]:
        """A date histogram whose interval follows the time range."""
        params = {"interval": "auto", "includeEmptyRows": True, "dropPartials": False}
        return {id_: _state(self.label, "date", "date_histogram", self.field, params, bucketed=True, scale="interval")}


@dataclass(frozen=True, slots=True)
class By:
    """Buckets of the most frequent values of a field, ordered by the layer's first metric."""

    field: str
    label: str
    size: int = 10

    def states(self, id_: str) -> dict[str, Json]:
        """Terms; the layer puts the order in."""
        params = {
            "size": self.size,
            "orderBy": {"type": "alphabetical", "fallback": True},
            "orderDirection": "desc",
            "otherBucket": False,
            "missingBucket": False,
            "parentFormat": {"id": "terms"},
            "include": [],
            "exclude": [],
            "includeIsRegex": False,
            "excludeIsRegex": False,
        }
        return {id_: _state(self.label, "string", "terms", self.field, params, bucketed=True, scale="ordinal")}


@dataclass(frozen=True, slots=True)
class Metric:
    """A number of the documents of a bucket: `sum`, `max`, `average` or `unique_count` of a field."""

    operation: str
    field: str
    label: str
    where: str = ""

    def states(self, id_: str) -> dict[str, Json]:
        """One operation on one field."""
        return {id_: _state(self.label, "number", self.operation, self.field, {"emptyAsNull": False}, where=self.where)}


@dataclass(frozen=True, slots=True)
class Count:
    """How many documents a bucket has."""

    label: str
    where: str = ""

    def states(self, id_: str) -> dict[str, Json]:
        """Lens counts its own pseudo-field."""
        return {id_: _state(self.label, "number", "count", RECORDS, {"emptyAsNull": False}, where=self.where)}


@dataclass(frozen=True, slots=True)
class Percentile:
    """A percentile of a field."""

    field: str
    percent: int
    label: str

    def states(self, id_: str) -> dict[str, Json]:
        """Elasticsearch estimates it by a t-digest."""
        return {id_: _state(self.label, "number", "percentile", self.field, {"percentile": self.percent})}


@dataclass(frozen=True, slots=True)
class Last:
    """The value of the newest document of a bucket."""

    field: str
    label: str
    where: str = ""
    data_type: str = "string"

    def states(self, id_: str) -> dict[str, Json]:
        """The newest by `@timestamp`."""
        state = _state(
            self.label,
            self.data_type,
            "last_value",
            self.field,
            {"sortField": "@timestamp"},
            where=self.where or f"_exists_:{self.field}",
            scale="ordinal",
        )
        return {id_: state}


@dataclass(frozen=True, slots=True)
class Ratio:
    """One sum over another: a share, or a mean that stays right however the documents are cut.

    Args:
        over: field whose sum is divided.
        under: field whose sum divides.
        label: the heading.
        percent: shown as one.
    """

    over: str
    under: str
    label: str
    percent: bool = False

    def states(self, id_: str) -> dict[str, Json]:
        """A formula, with the parts that Lens keeps for it: two sums and the tree that joins them."""
        formula = f"sum({self.over}) / sum({self.under})"
        sums = {
            f"{id_}X{number}": _state(f"Part of {self.label}", "number", "sum", field, {"emptyAsNull": False})
            for number, field in enumerate((self.over, self.under))
        }
        tree = {
            "type": "function",
            "name": "divide",
            "args": list(sums),
            "location": {"min": 0, "max": len(formula)},
            "text": formula,
        }
        math = {
            **_state(f"Part of {self.label}", "number", "math", None, {"tinymathAst": tree}),
            "references": list(sums),
        }
        shown_as = {"id": "percent", "params": {"decimals": 2}} if self.percent else _NANOSECONDS
        whole = {
            **_state(self.label, "number", "formula", None, {"formula": formula, "isFormulaBroken": False, "format": shown_as}),
            "references": [f"{id_}X2"],
        }
        return {id_: whole, **sums, f"{id_}X2": math}


_NANOSECONDS = {"id": "duration", "params": {"decimals": 2, "fromUnit": "nanoseconds", "toUnit": "asMilliseconds"}}


def _state(
    label: str,
    data_type: str,
    operation: str,
    field: str | None,
    params: Json,
    *,
    where: str = "",
    bucketed: bool = False,
    scale: str = "ratio",
) -> Json:
    state: Json = {
        "label": label,
        "customLabel": True,
        "dataType": data_type,
        "operationType": operation,
        "isBucketed": bucketed,
        "scale": scale,
        "params": params,
    }
    if field is not None:
        state["sourceField"] = field
    if where:
        state["filter"] = {"query": where, "language": "lucene"}
    return state
