"""Names and values for the completion of searches, from what is stored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dashboards.read_models.reader import within
from dashboards.search.filters import paths_of
from dashboards.search.language import SEVERITIES
from dashboards.search.traces import joined
from dashboards.search.vocabulary import LOGS, SPANS
from dashboards.tempo_api.traceql.syntax import KINDS, STATUSES, Attribute, Intrinsic, LogField, TraceField
from stores.aggregates import Bucket
from stores.store import Query
from telemetry.documents import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dashboards.search.asked import Asked
    from stores.store import Reads

MAX_LOOKED_AT = 5_000
"""Values of a field, the most frequent, among which those with a prefix are looked for."""

_NUMBERS = {Intrinsic.DURATION, TraceField.ANOMALY_SCORE}
_FIXED: Mapping[Intrinsic | LogField | TraceField, Sequence[str]] = {
    Intrinsic.STATUS: STATUSES,
    Intrinsic.KIND: KINDS,
    LogField.SEVERITY: tuple(SEVERITIES),
}
_PLACES = {"attributes": "", "resource.attributes": "resource", "scope.attributes": "scope"}


@dataclass(frozen=True, slots=True)
class KnownName:
    """A name that a search can use. `where` is `field`, `span`, `log`, `resource` or `scope`."""

    name: str
    where: str
    type: str


async def names(reads: Reads, asked: Asked, prefix: str, limit: int, kind: Kind = Kind.SPAN) -> list[KnownName]:
    """Fields, then attributes of the documents of a time, whose name begins so."""
    vocabulary = LOGS if kind is Kind.LOG else SPANS
    known = [
        KnownName(name, "field", "number" if field in _NUMBERS else "string")
        for name, field in vocabulary.fields.items()
        if name.startswith(prefix.lower())
    ]
    query = Query(kind, within(asked.environment), asked.since, asked.until, limit=limit)
    for one in await reads.aggregates.names(query, prefix):
        name = f"scope.{one.name}" if one.place == "scope.attributes" else one.name
        if all(name != other.name for other in known):
            known.append(KnownName(name, _PLACES[one.place] or vocabulary.scope, one.type))
    return known[:limit]


async def values(reads: Reads, asked: Asked, name: str, prefix: str, limit: int, kind: Kind = Kind.SPAN) -> list[Bucket]:
    """Values of a field or attribute that begin so, in any case, the most frequent first.

    Raises as `BoundedReads.find` does.
    """
    field = (LOGS if kind is Kind.LOG else SPANS).field(name)
    fixed: Sequence[str] = () if isinstance(field, Attribute) else _FIXED.get(field, ())
    if fixed:
        return [Bucket(one, 0) for one in fixed if one.startswith(prefix.lower())]
    if field in {Intrinsic.DURATION, LogField.TEXT, TraceField.ANOMALY_SCORE}:
        return []
    query = Query(kind, within(asked.environment), asked.since, asked.until, limit=MAX_LOOKED_AT if prefix else limit)
    paths = paths_of(field)
    found = await reads.aggregates.facets(replace(query), paths)
    whole = joined([found[path] for path in paths], query.limit)
    return [bucket for bucket in whole if bucket.value.lower().startswith(prefix.lower())][:limit]
