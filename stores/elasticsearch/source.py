"""A document as Elasticsearch has it, so that no sender's values can refuse another's.

A field of a mapping has one type for everybody: after a number, an object under the same name is refused, and so is a number
after an object. So only what fits stands in its place. The rest (objects, lists of several types, values of another type
than the field's, names that are none, and names over their bound) stands in one field, `unmapped`, twice: as JSON text, from
which reading gives back the document as it was, and flattened, for searching.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from stores.checks import checked, joined, json_text
from stores.elasticsearch.attribute_names import INT64, is_name
from stores.layout import LAYOUT, SERVICE, keys, value_at
from telemetry.documents import Kind, timestamp
from telemetry.documents.encoded_hop import EncodedHopDocument
from telemetry.documents.encoded_span import EncodedSpanDocument
from telemetry.documents.encoded_trace import EncodedTraceDocument
from telemetry.documents.signals import plain_attributes, span_attributes
from telemetry.json_object import JsonObject

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from stores.checks import Misfit
    from stores.elasticsearch.attribute_names import AttributeNames
    from telemetry.documents import Body, Document
    from telemetry.spans import Span

UNMAPPED = "unmapped"
FLAT = f"{UNMAPPED}.flat"
"""The flattened field: `unmapped.flat.attributes.err.message` is found by its text."""

MAX_LEAVES, MAX_PATH, MAX_TEXT = 200, 512, 1024
"""What of `unmapped` can be searched: values of a document, characters of a path and of a value."""

DEEPEST = 10
"""Objects within a log's structured body that are mapped: a flattened field has at most 20."""

ATTRIBUTES = (("attributes",), ("resource", "attributes"), ("scope", "attributes"))
"""Where the attributes of a signal are."""

_JOINED = [(path, ".".join(path)) for path in ATTRIBUTES]

_OURS = frozenset({UNMAPPED, "data_stream", "metrics", "@timestamp", "_id"})
"""Names at the top of a document that mean something else to us."""

_SERVICE, _TEXT = keys(SERVICE), keys("body.text")


def source(document: Document, names: AttributeNames | None, fields: Body) -> tuple[bytes, bool]:
    """A document as JSON, and whether something of it is in `unmapped`.

    Args:
        document: of any kind.
        names: which attribute names are fields; None for kinds that have no attributes of senders.
        fields: what is added beside the body.

    Raises:
        UnstorableError: no store can hold it.
    """
    over = None
    if isinstance(document, EncodedSpanDocument) and names is not None:
        if names.knows(document.shape, document.around):
            return joined(document.json, {"@timestamp": timestamp(document.time), **fields}), False
        over = _over(_attributes(document.span), names, _sender(document.span.resource.attributes.get("service.name")))
        if not over:
            names.remember(document.shape, document.around)
            return joined(document.json, {"@timestamp": timestamp(document.time), **fields}), False
    if isinstance(document, EncodedHopDocument | EncodedTraceDocument):
        return joined(document.json, {"@timestamp": timestamp(document.time), **fields}), False
    values, misfits = checked(document)
    body, rest = document.body, dict[str, object]()
    if not _OURS.isdisjoint(body):
        return plain(document, fields), True
    more = JsonObject()
    if names is not None:
        body, rest = _without_misfits(document, values, misfits) if misfits else (document.body, rest)
        if over is None:
            over = _over({path: value_at(body, path) for path in ATTRIBUTES}, names, _sender(value_at(body, _SERVICE)))
        body, rest = _split(body, rest, over)
        more = _metric(document, names)
    if rest:
        more[UNMAPPED] = _unmapped(rest)
    return json_text({**body, "@timestamp": timestamp(document.time), **more, **fields}), bool(rest)


def plain(document: Document, fields: Body) -> bytes:
    """A document of which only the layout's fields are mapped: no mapping of any other can refuse it.

    Raises:
        UnstorableError: no store can hold it.
    """
    body: Body = {"@timestamp": timestamp(document.time), UNMAPPED: _unmapped(document.body), **fields}
    for field, value in zip(LAYOUT[document.kind], checked(document)[0], strict=True):
        if value is not None:
            *path, last = keys(field)
            holder = body
            for key in path:
                holder = holder.setdefault(key, {})
            holder[last] = value
    return json_text(body)


def original(body: Body) -> Body:
    """The document's body, given what Elasticsearch has of it. Changes and returns it."""
    kept = body.pop(UNMAPPED, None)
    if kept:
        _merge(body, orjson.loads(kept["json"]))
    return body


def _without_misfits(document: Document, values: Sequence[object], misfits: Sequence[Misfit]) -> tuple[Body, Body]:
    """The body with text, or nothing, where a value is of another type than the layout's, and those values."""
    body, rest = document.body, dict[str, object]()
    text = dict(zip(map(keys, LAYOUT[document.kind]), values, strict=True))
    for path in misfits:
        if path == _TEXT and isinstance(value_at(document.body, path), bool | int | float):
            continue  # a text field takes scalars, and Elastic's exporter writes them so
        *way, name = path
        _place(rest, way, {name: value_at(document.body, path)})
        body = _without(body, way, [name])
        if text[path] is not None:
            body = _with(body, way, name, text[path])
    return body, rest


def _sender(service: object) -> str:
    return service if isinstance(service, str) else ""


def _attributes(span: Span) -> dict[tuple[str, ...], object]:
    """The attributes of a span's document by where they are in it."""
    around = map(plain_attributes, (span.resource.attributes, span.scope.attributes))
    return dict(zip(ATTRIBUTES, (span_attributes(span), *around), strict=True))


def _over(attributes: Mapping[tuple[str, ...], object], names: AttributeNames, sender: str) -> dict[tuple[str, ...], Body]:
    """What of the attributes has to go to `unmapped`, by where it is."""
    found: dict[tuple[str, ...], Body] = {}
    for path, joined_path in _JOINED:
        here = attributes[path]
        if here and isinstance(here, dict) and (over := names.over(joined_path, here, sender)):
            found[path] = {name: here[name] for name in over}
    return found


def _split(body: Body, rest: Body, over: Mapping[tuple[str, ...], Body]) -> tuple[Body, Body]:
    """The body without what has to go to `unmapped`, and that, under the same path, beside what is there."""
    for path, attributes in over.items():
        _place(rest, path, attributes)
        body = _without(body, path, list(attributes))
    structured = value_at(body, ("body", "structured"))
    if structured is not None and not _is_flat(structured):
        _place(rest, ("body",), {"structured": structured})
        body = _without(body, ("body",), ["structured"])
    count = body.get("count")
    if isinstance(count, int) and count not in INT64:
        rest["count"] = count
        body = _without(body, (), ["count"])
    value = body.get("value")
    if isinstance(value, float) and not abs(value) < float("inf"):
        rest["value"] = value
        body = _without(body, (), ["value"])
    return body, rest


def _without(body: Body, path: Sequence[str], names: Sequence[str]) -> Body:
    """A body without some names at a path; what is not on the way is shared with it."""
    if not path:
        return {key: value for key, value in body.items() if key not in names}
    return {**body, path[0]: _without(body[path[0]], path[1:], names)}


def _with(body: Body, path: Sequence[str], name: str, value: object) -> Body:
    """A body with a value at a path; what is not on the way is shared with it."""
    if not path:
        return {**body, name: value}
    return {**body, path[0]: _with(body[path[0]], path[1:], name, value)}


def _place(into: Body, path: Sequence[str], values: Body) -> None:
    for key in path:
        into = into.setdefault(key, {})
    into.update(values)


def _metric(document: Document, names: AttributeNames) -> Body:
    """A point's value under the metric's name too, as Elastic's exporter has it and its dashboards read it."""
    if document.kind is not Kind.METRIC:
        return {}
    name, value = document.body.get("name"), document.body.get("value")
    service = value_at(document.body, _SERVICE)
    if not isinstance(name, str) or isinstance(value, bool) or not isinstance(value, int | float):
        return {}
    if not names.admits("metrics", name, float(value), service if isinstance(service, str) else ""):
        return {}
    return {"metrics": {name: value}}


def _unmapped(rest: Body) -> Body:
    whole = json_text(rest).decode()  # first: what is no JSON has no text either
    flat: dict[str, list[str]] = {}
    for number, (path, text) in enumerate(_leaves(rest, "")):
        if number == MAX_LEAVES:
            break
        flat.setdefault(path, []).append(text)
    return {"json": whole, "flat": flat}


def _leaves(value: object, path: str) -> Iterator[tuple[str, str]]:
    """Each scalar within, as text, by its path."""
    match value:
        case dict():
            for key, item in value.items():
                yield from _leaves(item, f"{path}.{key}" if path else key)
        case list() | tuple():
            for item in value:
                yield from _leaves(item, path)
        case None:
            return
        case _:
            if 0 < len(path) <= MAX_PATH and not path.isspace() and "\0" not in path:
                yield path, text_of(value)


def text_of(value: object) -> str:
    """A scalar as the flattened field has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)[:MAX_TEXT]


def _is_flat(value: object, depth: int = DEEPEST) -> bool:
    """Whether a flattened field accepts it: an object, not too deep, with usual names."""
    return (
        isinstance(value, dict)
        and depth > 0
        and all(is_name(key) and _is_flat_item(item, depth - 1) for key, item in value.items())
    )


def _is_flat_item(value: object, depth: int) -> bool:
    if isinstance(value, list):
        return all(not isinstance(item, list) and _is_flat_item(item, depth) for item in value)
    return not isinstance(value, dict) or _is_flat(value, depth)


def _merge(into: Body, more: Body) -> None:
    for key, value in more.items():
        existing = into.get(key)
        if isinstance(value, dict) and isinstance(existing, dict):
            _merge(existing, value)
        else:
            into[key] = value
