"""Columns of a Lens table, as Kibana saves them in the state of a form-based layer.

Filters are written in Lucene's syntax: Elasticsearch runs it as it stands (`query_string`), without Kibana.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from telemetry.json_object import JsonObject

Json = JsonObject

RECORDS = "___records___"
"""What Lens counts when it counts documents."""


class LensColumn(Protocol):
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
class LensMetric:
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
            {"sortField": "@timestamp", "showArrayValues": False},
            where=self.where or f"_exists_:{self.field}",
            scale="ordinal",
        )
        return {id_: state}


@dataclass(frozen=True, slots=True)
class LensShare:
    """One sum as a share of another: right however the documents are cut, corrections included."""

    over: str
    under: str
    label: str

    def states(self, id_: str) -> dict[str, Json]:
        """A formula, shown in percent."""
        return _quotient(self, id_, 1, {"id": "percent", "params": {"decimals": 2}})


@dataclass(frozen=True, slots=True)
class MeanTime:
    """A sum of nanoseconds over a number of things, in milliseconds."""

    over: str
    under: str
    label: str

    def states(self, id_: str) -> dict[str, Json]:
        """A formula: a data view knows the unit of a field, not of what is computed from it."""
        return _quotient(self, id_, NANOSECONDS_PER_MILLISECOND, {"id": "number", "params": {"decimals": 2, "suffix": " ms"}})


NANOSECONDS_PER_MILLISECOND = 1_000_000


def _quotient(column: LensShare | MeanTime, id_: str, divisor: int, shown_as: Json) -> dict[str, Json]:
    """A formula with the parts that Lens keeps for it: two sums, and the tree that joins them."""
    formula = f"sum({column.over}) / sum({column.under})"
    part = f"Part of {column.label}"
    sums = {
        f"{id_}X{number}": _state(part, "number", "sum", field, {"emptyAsNull": False})
        for number, field in enumerate((column.over, column.under))
    }
    tree = _divide(list(sums), formula)
    if divisor != 1:
        formula = f"{formula} / {divisor}"
        tree = _divide([tree, divisor], formula)
    math = _state(part, "number", "math", None, {"tinymathAst": tree}) | {"references": list(sums)}
    whole = _state(column.label, "number", "formula", None, {"formula": formula, "isFormulaBroken": False, "format": shown_as})
    return {id_: whole | {"references": [f"{id_}X2"]}, **sums, f"{id_}X2": math}


def _divide(arguments: list[object], text: str) -> Json:
    return {"type": "function", "name": "divide", "args": arguments, "location": {"min": 0, "max": len(text)}, "text": text}


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
