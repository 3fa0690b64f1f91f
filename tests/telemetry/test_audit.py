from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.audit import GENESIS, Anchor, Chain, verify
from telemetry.errors import InputError

if TYPE_CHECKING:
    from telemetry.documents import Body

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
payloads = st.lists(st.dictionaries(st.text(min_size=1), json_values, max_size=3), min_size=1, max_size=8)


def trail(data: list[dict[str, Any]]) -> list[Body]:
    """Records as a store gives them back: through JSON, with fields of its own."""
    chain = Chain("demo")
    bodies = [chain.append(1000 + i, "step-done", item, incident="i1").document().body for i, item in enumerate(data)]
    return [json.loads(json.dumps(body)) | {"_id": "x", "@timestamp": 1} for body in bodies]


@given(payloads)
def test_an_untouched_trail_verifies(data: list[dict[str, Any]]) -> None:
    assert verify(trail(data)) == []


@given(payloads, st.data())
def test_any_edit_is_found(data: list[dict[str, Any]], draw: st.DataObject) -> None:
    records = trail(data)
    victim = draw.draw(st.sampled_from(records))
    field = draw.draw(st.sampled_from(["time", "incident", "event", "data", "previous", "hash", "chain"]))
    victim[field] = 7 if field in {"time", "data"} else "other"
    assert verify(records)


@given(payloads.filter(lambda items: len(items) > 1), st.data())
def test_any_deletion_but_that_of_the_end_is_found(data: list[dict[str, Any]], draw: st.DataObject) -> None:
    records = trail(data)
    del records[draw.draw(st.integers(0, len(records) - 2))]
    assert verify(records)


@given(payloads.filter(lambda items: len(items) > 1), st.data())
def test_any_reorder_is_found(data: list[dict[str, Any]], draw: st.DataObject) -> None:
    records = trail(data)
    order = draw.draw(st.permutations(range(len(records))).filter(lambda p: list(p) != sorted(p)))
    assert verify([records[i] for i in order])


def test_a_swap_that_also_swaps_the_numbers_is_found() -> None:
    records = trail([{"a": 1}, {"a": 2}, {"a": 3}])
    records[0]["sequence"], records[1]["sequence"] = 2, 1
    assert verify([records[1], records[0], records[2]])


def test_a_cut_end_and_a_trail_written_anew_are_found_by_an_anchor_noted_elsewhere() -> None:
    records = trail([{"a": 1}, {"a": 2}, {"a": 3}])
    anchor = Anchor(3, records[2]["hash"], "incident i1")
    assert verify(records, [anchor]) == []
    assert [fault.sequence for fault in verify(records[:2], [anchor])] == [3]
    assert [fault.reason for fault in verify(trail([{"a": 1}, {"a": 2}, {"a": 9}]), [anchor])] == [
        "rewritten: incident i1 noted another hash"
    ]


def test_the_hash_is_what_the_documentation_says() -> None:
    body = Chain("demo").append(5, "alert", {"b": 1, "a": [True, None]}).document().body
    own = body.pop("hash")
    assert own == hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    assert body["previous"] == GENESIS


def test_a_field_that_was_added_is_found() -> None:
    records = trail([{"a": 1}])
    records[0]["note"] = "all was well"
    assert "added ['note']" in verify(records)[0].reason


def test_a_restored_chain_goes_on_where_it_ended() -> None:
    chain = Chain("demo")
    first = chain.append(1, "alert", {})
    other = Chain("")
    other.restore(json.loads(json.dumps(chain.snapshot())))
    second = other.append(2, "alert", {})
    assert verify([first.document().body, second.document().body]) == []


def test_what_json_cannot_hold_and_foreign_snapshots_are_refused() -> None:
    with pytest.raises(InputError, match="audit record 1"):
        Chain("demo").append(1, "alert", {"a": object()})
    with pytest.raises(InputError, match="this release reads 1"):
        Chain("demo").restore({"version": 9})
