"""Names of attributes and their values, from the newest spans of a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dashboards.tempo_api.search import text_of
from dashboards.tempo_api.traceql.evaluate import attributes_of, values_of
from dashboards.tempo_api.traceql.syntax import (
    INTRINSICS,
    KINDS,
    STATUSES,
    Attribute,
    AttributeScope,
    Intrinsic,
)
from stores.layout import SERVICE
from telemetry.documents import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dashboards.tempo_api.traceql.syntax import Field
    from telemetry.documents import Body

SCOPES = tuple(scope for scope in AttributeScope if scope is not AttributeScope.EITHER)
INTRINSIC = "intrinsic"
"""The scope of what every span has."""

ENUMERATED: Mapping[Field, Sequence[str]] = {Intrinsic.STATUS: STATUSES, Intrinsic.KIND: KINDS}
"""All values of these."""

NO_VALUES = frozenset({Intrinsic.DURATION, Intrinsic.SPAN_ID, Intrinsic.PARENT_ID, Intrinsic.TRACE_ID})
"""Nobody chooses one of theirs from a list."""


@dataclass(frozen=True, slots=True)
class StoredField:
    """A field whose values the store can list."""

    kind: Kind
    name: str


def stored_field(field: Field) -> StoredField | None:
    """Where the store lists the values of a field; None where it does not."""
    if field is Intrinsic.NAME:
        return StoredField(Kind.SPAN, "name")
    if field in {Attribute(scope, "service.name") for scope in (AttributeScope.RESOURCE, AttributeScope.EITHER)}:
        return StoredField(Kind.SPAN, SERVICE)
    return None


def tag_names(spans: Iterable[Body], scope: str = "") -> dict[str, list[str]]:
    """Names of attributes by scope, of one or of all; intrinsic fields among them."""
    found: dict[str, set[str]] = {str(one): set() for one in SCOPES if scope in {"", one}}
    for span in spans:
        for one, names in found.items():
            for attributes in attributes_of(AttributeScope(one), span):
                names.update(attributes)
    names_by_scope = {one: sorted(names) for one, names in found.items() if names or one == scope}
    if scope in {"", INTRINSIC}:
        names_by_scope[INTRINSIC] = sorted(INTRINSICS)
    return names_by_scope


def tag_values(field: Field, spans: Iterable[Body]) -> list[tuple[str, str]]:
    """The values that spans have in a field, each once, as type and text, sorted."""
    return sorted({(_type(value), text_of(value)) for span in spans for value in values_of(field, span)})


def _type(value: object) -> str:
    match value:
        case bool():
            return "bool"
        case int():
            return "int"
        case float():
            return "float"
        case _:
            return "string"
