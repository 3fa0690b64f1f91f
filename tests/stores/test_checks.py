"""The values of a document's fields are those that a plain walk along each path finds, whatever is there."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stores.checks import UnstorableError, checked
from stores.layout import LAYOUT, Type, fits, keys, value_at
from telemetry.documents import Document, Kind
from telemetry.resource import text_of

if TYPE_CHECKING:
    from telemetry.documents import Body

PLAIN: st.SearchStrategy[object] = st.sampled_from(
    [None, "", "text", True, 0, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 0.5, math.nan, math.inf, ["a"], [1], {}]
)
ODD = st.one_of(PLAIN, st.dictionaries(st.sampled_from(["service.name", "code", "attributes"]), PLAIN, max_size=3))


def put(body: Body, path: tuple[str, ...], value: object) -> None:
    for key in path[:-1]:
        inner = body.setdefault(key, {})
        if not isinstance(inner, dict):
            return
        body = inner
    body[path[-1]] = value


@st.composite
def bodies(draw: st.DrawFn, kind: Kind) -> Body:
    body: Body = {}
    for field in LAYOUT[kind]:
        if draw(st.booleans()):
            path = keys(field)
            put(body, path[: draw(st.integers(1, len(path)))] if draw(st.integers(0, 9)) == 0 else path, draw(ODD))
    return body


@given(bodies(Kind.SPAN))
def test_the_values_of_a_signal_are_found_and_others_named(body: Body) -> None:
    values, misfits = checked(Document(Kind.SPAN, "a", 1, body))
    wanted: list[object] = []
    odd = []
    for field, type_ in LAYOUT[Kind.SPAN].items():
        value = value_at(body, keys(field))
        if value is not None and not fits(type_, value):
            odd.append(keys(field))
            value = text_of(value) if type_ is Type.KEYWORD else None
        wanted.append(value)
    assert values == wanted
    assert misfits == odd


@given(bodies(Kind.HOP))
def test_a_document_of_ours_with_a_value_of_another_type_is_refused(body: Body) -> None:
    found = {field: value_at(body, keys(field)) for field in LAYOUT[Kind.HOP]}
    bad = [field for field, value in found.items() if value is not None and not fits(LAYOUT[Kind.HOP][field], value)]
    if bad:
        with pytest.raises(UnstorableError, match=f"^{bad[0]}: "):
            checked(Document(Kind.HOP, "a", 1, body))
    else:
        assert checked(Document(Kind.HOP, "a", 1, body)) == (list(found.values()), [])


def test_a_number_that_is_not_finite_is_no_value() -> None:
    values, misfits = checked(Document(Kind.METRIC, "a", 1, {"name": "n", "value": math.inf}))
    assert dict(zip(LAYOUT[Kind.METRIC], values, strict=True))["value"] is None
    assert not misfits
