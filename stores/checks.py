"""Which documents every store refuses, and how a body is written as JSON.

A refusal is about one document: its reason names the field. What telemetry may hold is never refused: where a sender's value
is of another type than the layout's, the field holds its text or nothing, and the body the value.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import orjson

from stores.layout import INSTANCE, LAYOUT, NAMESPACE, POD, SERVICE, SERVICE_VERSION, SIGNALS, Type, fits, keys
from stores.store import QuestionRefusedError
from telemetry.documents import Kind
from telemetry.documents.signals import KIND_NAMES, STATUS_NAMES
from telemetry.resource import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from stores.store import Aggregation
    from telemetry.documents import Body, Document
    from telemetry.documents.encoded_hop import EncodedHopDocument
    from telemetry.documents.encoded_span import EncodedSpanDocument
    from telemetry.documents.encoded_trace import EncodedTraceDocument
    from telemetry.spans import Span

TIME = "@timestamp"

LARGEST = 10 * 1024 * 1024
"""Bytes of one document's JSON: Elastic advises 5 to 15 MB a request."""

ID_BYTES = 512
"""Elasticsearch's limit."""

_PLAIN = {Type.KEYWORD: str, Type.TEXT: str, Type.BOOLEAN: bool, Type.INTEGER: int}
"""Types of Python of which nearly any value fits: this is the hot path."""


class _Plan(NamedTuple):
    """How the values of a kind's fields are found: each object that has some is looked up once, in the one that it is in.

    Attributes:
        objects: where each is, the body aside: in which object, under which key.
        fields: of each, the object that has it, its key there, and the type of Python that is usual.
    """

    objects: tuple[tuple[int, str], ...]
    fields: tuple[tuple[int, str, type | None], ...]


def _plan(fields: Mapping[str, Type]) -> _Plan:
    places: dict[tuple[str, ...], int] = {(): 0}
    objects = []
    for path in map(keys, fields):
        for depth in range(1, len(path)):
            if path[:depth] not in places:
                objects.append((places[path[: depth - 1]], path[depth - 1]))
                places[path[:depth]] = len(places)
    found = [(places[keys(field)[:-1]], keys(field)[-1], _PLAIN.get(type_)) for field, type_ in fields.items()]
    return _Plan(tuple(objects), tuple(found))


_PLANS = {kind: _plan(fields) for kind, fields in LAYOUT.items()}

_LEAST_INTEGER, _GREATEST_INTEGER = -(2**63), 2**63 - 1

_EMPTY: dict[str, object] = {}

_TEXTS = frozenset({Type.KEYWORD, Type.TEXT})

_NUMBERS = {kind: [field for field, type_ in fields.items() if type_ is Type.NUMBER] for kind, fields in LAYOUT.items()}

_OF_SPANS: dict[str, Callable[[Span], object]] = {
    "environment": lambda span: span.resource.environment,
    "trace_id": lambda span: span.trace_id.hex(),
    "span_id": lambda span: span.span_id.hex(),
    SERVICE: lambda span: span.resource.attributes.get("service.name"),
    NAMESPACE: lambda span: span.resource.attributes.get("service.namespace"),
    SERVICE_VERSION: lambda span: span.resource.attributes.get("service.version"),
    POD: lambda span: span.resource.attributes.get("k8s.pod.name"),
    INSTANCE: lambda span: span.resource.attributes.get("service.instance.id"),
    "name": lambda span: span.name,
    "kind": lambda span: KIND_NAMES[span.kind],
    "status.code": lambda span: STATUS_NAMES[span.status],
    "duration": lambda span: span.duration,
}
_SPAN_VALUES = [_OF_SPANS[field] for field in LAYOUT[Kind.SPAN]]

_OF_HOPS: dict[str, Callable[[EncodedHopDocument], object]] = {
    "environment": lambda document: document.row.environment,
    "id": lambda document: document.id.partition(".")[0],
    "revision": lambda document: document.revision,
    "trace_id": lambda document: document.id[:32],
    "partition": lambda document: document.partition,
    "window": lambda document: document.window,
    "caller.name": lambda document: document.row.caller,
    "callee.name": lambda document: document.row.callee,
    "operation": lambda document: document.row.operation,
    "duration": lambda document: document.row.duration,
    "failed": lambda document: document.row.failed,
}
_HOP_VALUES = [_OF_HOPS[field] for field in LAYOUT[Kind.HOP]]

_OF_TRACES: dict[str, Callable[[EncodedTraceDocument], object]] = {
    "environment": lambda document: document.graph.environment,
    "id": lambda document: document.graph.trace_id.hex(),
    "revision": lambda document: document.revision,
    "trace_id": lambda document: document.graph.trace_id.hex(),
    "root.service": lambda document: document.graph.root_service,
    "root.operation": lambda document: document.graph.root_operation,
    "services": lambda document: list(document.graph.services),
    "duration": lambda document: document.graph.duration,
    "span_count": lambda document: document.graph.span_count,
    "errors": lambda document: document.graph.errors,
}
_TRACE_VALUES = [_OF_TRACES[field] for field in LAYOUT[Kind.TRACE]]

Misfit = tuple[str, ...]
"""The path of a value that is not of the layout's type."""

_NOT_FINITE = {math.inf: "Infinity", -math.inf: "-Infinity"}

_NAMES = frozenset({"NaN", *_NOT_FINITE.values()})


def check_keyword(kind: Kind, field: str) -> None:
    """Refuse a field that is no keyword of the layout.

    Raises:
        QuestionRefusedError: it is none.
    """
    if LAYOUT[kind].get(field) is not Type.KEYWORD:
        raise QuestionRefusedError(f"{field}: no keyword field of {kind.value} documents")


def check_aggregation(asked: Aggregation) -> None:
    """Refuse fields that cannot be added up, and steps of less than a millisecond.

    Raises:
        QuestionRefusedError: there are some.
    """
    fields = LAYOUT[asked.query.kind]
    for field in asked.sums:
        if fields.get(field) is not Type.INTEGER:
            raise QuestionRefusedError(f"{field}: no integer field of {asked.query.kind.value} documents")
    for field in asked.peaks:
        if fields.get(field) not in {Type.INTEGER, Type.NUMBER}:
            raise QuestionRefusedError(f"{field}: no field of a number of {asked.query.kind.value} documents")
    for field in filter(None, (asked.bits, asked.sample_by)):
        if fields.get(field) is not Type.INTEGERS:
            raise QuestionRefusedError(f"{field}: no field of integers of {asked.query.kind.value} documents")
    if missing := [field for field in asked.samples if field not in fields]:
        raise QuestionRefusedError(f"{missing[0]}: no field of {asked.query.kind.value} documents")
    if asked.step % 1_000_000 or asked.step < 0:
        raise QuestionRefusedError(f"a step of {asked.step} ns: name whole milliseconds")


class UnstorableError(ValueError):
    """A document that no store can hold. The message names the field."""


def checked(document: Document) -> tuple[list[object], list[Misfit]]:
    """The values of the fields of the layout, in its order, and where a signal's value is of another type than the layout's.

    Such a value is text where the layout has text, else None. A number that is not finite is None: it is not searched for.

    Raises:
        UnstorableError: the id or the time is none, or a field of a document of ours holds another type.
    """
    try:
        size = len(document.id.encode())
    except UnicodeEncodeError as error:
        raise UnstorableError(f"_id: not UTF-8: {error}") from error
    if not 0 < size <= ID_BYTES:
        raise UnstorableError(f"_id: {size} bytes, must be 1 to {ID_BYTES}")
    if not 0 <= document.time < 2**63:
        raise UnstorableError(f"{TIME}: {document.time} is outside 1970 to 2262")
    plan, objects = _PLANS[document.kind], [document.body]
    for inside, key in plan.objects:
        found = objects[inside].get(key)
        objects.append(found if type(found) is dict else _EMPTY)
    values: list[object] = []
    usual = True
    for inside, key, plain in plan.fields:
        value = objects[inside].get(key)
        if value is not None:
            usual &= type(value) is plain and (type(value) is not int or _LEAST_INTEGER <= value <= _GREATEST_INTEGER)
        values.append(value)
    return (values, []) if usual else _fitted(document.kind, values)


def _fitted(kind: Kind, values: Sequence[object]) -> tuple[list[object], list[Misfit]]:
    """The same of values that are not all as usual."""
    fitted: list[object] = []
    misfits: list[Misfit] = []
    for (field, type_), value in zip(LAYOUT[kind].items(), values, strict=True):
        kept = value
        if value is not None and not fits(type_, value):
            if kind not in SIGNALS:
                raise UnstorableError(f"{field}: {_short(value)} is no {type_.value}")
            misfits.append(keys(field))
            kept = _text(value) if type_ in _TEXTS else None
        elif isinstance(value, float) and not math.isfinite(value):
            kept = None
        fitted.append(kept)
    return fitted, misfits


def json_text(body: Body) -> bytes:
    """A body as JSON. Numbers that JSON has not stand there as OTLP writes them: "NaN", "Infinity", "-Infinity".

    Raises:
        UnstorableError: it is no JSON (an integer beyond 64 bits, a lone surrogate, nested too deep), or too large.
    """
    try:
        text = orjson.dumps(body)
        # A null stands for a None, or for what is not finite: no look at all values is needed where each is a None at the top.
        nulls = text.count(b"null")
        if nulls and nulls != list(body.values()).count(None) and _holds_not_finite(body):
            text = orjson.dumps(_finite(body))
    except (TypeError, RecursionError) as error:
        raise UnstorableError(f"not JSON: {error}") from error
    _check_size(text)
    return bytes(memoryview(text))  # a copy of its size: orjson's own lies in a larger buffer, each a new one to be paged in


def checked_span(document: EncodedSpanDocument) -> tuple[object, ...]:
    """What `checked` returns of a span's document, without its body: all of it is of the layout's types, as kernels see to it.

    Raises:
        UnstorableError: it is too large.
    """
    _check_size(document.json)
    span = document.span
    return tuple([value(span) for value in _SPAN_VALUES])


def checked_hop(document: EncodedHopDocument) -> tuple[object, ...]:
    """What `checked` returns of a hop's document, without its body.

    Raises:
        UnstorableError: it is too large.
    """
    _check_size(document.json)
    return tuple([value(document) for value in _HOP_VALUES])


def checked_trace(document: EncodedTraceDocument) -> tuple[object, ...]:
    """What `checked` returns of a trace's document, without its body.

    Raises:
        UnstorableError: it is too large.
    """
    _check_size(document.json)
    return tuple([value(document) for value in _TRACE_VALUES])


def joined(text: bytes, more: Body) -> bytes:
    """The JSON of an object with further members behind its own, of which there are some on both sides.

    Raises:
        UnstorableError: it is too large.
    """
    whole = b"%b,%b" % (text[:-1], orjson.dumps(more)[1:])
    _check_size(whole)
    return whole


def _check_size(text: bytes) -> None:
    if len(text) > LARGEST:
        raise UnstorableError(f"{len(text)} bytes, at most {LARGEST}")


def with_numbers(kind: Kind, body: Body) -> Body:
    """A body as it is read back: where the layout has a number, one that is not finite is a number again."""
    for field in _NUMBERS[kind]:
        if isinstance(value := body.get(field), str) and value in _NAMES:
            body[field] = float(value)
    return body


def _holds_not_finite(value: object) -> bool:
    """Whether a number in it is none of JSON's."""
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list | tuple):
        return isinstance(value, float) and not math.isfinite(value)
    return any(_holds_not_finite(item) for item in value if type(item) is not str)


def _finite(value: object) -> object:
    match value:
        case float() if not math.isfinite(value):
            return _NOT_FINITE.get(value, "NaN")
        case dict():
            return {key: _finite(item) for key, item in value.items()}
        case list() | tuple():
            return [_finite(item) for item in value]
        case _:
            return value


def _text(value: object) -> str | None:
    try:
        return text_of(value)
    except (TypeError, ValueError, RecursionError):  # no JSON, which `json_text` refuses
        return None


def _short(value: object) -> str:
    """A value in a message: not all of what somebody sent."""
    match value:
        case str():
            return repr(value[:60])
        case float() | bool():
            return repr(value)
        case int():
            return repr(value) if abs(value) < 2**64 else "an integer beyond 64 bits"
        case _:
            return f"a {type(value).__name__}"
