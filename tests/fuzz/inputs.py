"""Inputs by Hypothesis: changed seeds, JSON with odd values in odd places, words in any order."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import orjson
from hypothesis import strategies as st

if TYPE_CHECKING:
    from tests.fuzz.target import Target

MAX_BYTES = 20_000
_DEEP = b'"NESTED"'
"""Stands for a value that is nested so deep that Python could not even copy it."""

_ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**53 + 1, 2**63-1, -(2**63), 2**64-1, 0.5, 1e308, -0.0, "", "0", "-1", "NaN",
    "Infinity", "18446744073709551616", "1e400", "٣", "\x00", "\u2028", "é" * 50, "a" * 3000, "0" * 16, "0" * 32, "f" * 32,
    "$x", "{{", "$(id)", "2023-11-14T22:13:20Z", "9999-12-31T23:59:59Z", "5m", "292y", "(", [], {}, [[]], [{}], {"": ""},
    [None], ["a"] * 300, "NESTED",
)  # fmt: skip


@st.composite
def spliced(draw: st.DrawFn, target: Target) -> bytes:
    """A seed with up to six changes."""
    data = draw(st.sampled_from(target.seeds))
    piece = st.one_of(st.binary(max_size=12), st.sampled_from(target.words or (b"",)), st.sampled_from(target.seeds))
    for _ in range(draw(st.integers(1, 6))):
        begin = draw(st.integers(0, len(data)))
        end = min(len(data), begin + draw(st.sampled_from((0, 1, 2, 4, 8, 32, 200, 10_000))))
        new = draw(st.one_of(piece, st.just(data[begin:end] * draw(st.integers(0, 40)))))
        data = (data[:begin] + new + data[end:])[:MAX_BYTES]
    return data


@st.composite
def odd_json(draw: st.DrawFn, seed: Any) -> bytes:
    """A JSON seed in which up to four values are odd, gone, doubled, wrapped, or of another place."""
    value = copy.deepcopy(seed)
    for _ in range(draw(st.sampled_from((1, 1, 1, 2, 4)))):
        places = list(_places(value))
        if places:
            _change(draw, places, *draw(st.sampled_from(places)))
    try:
        data = orjson.dumps(value)
    except (TypeError, ValueError):
        return b"{}"
    depth = draw(st.sampled_from((200, 300, 990, 1100)))  # around what readers, writers and Python's stack have as their limit
    opened, closed = draw(st.sampled_from(((b"[", b"]"), (b'{"a":', b"}"))))
    return data.replace(_DEEP, opened * depth + b"1" + closed * depth)[:MAX_BYTES]


def _change(draw: st.DrawFn, places: list[tuple[Any, Any]], holder: Any, key: Any) -> None:
    match draw(st.sampled_from(("odd", "odd", "gone", "moved", "deep", "key", "many"))):
        case "odd":
            holder[key] = copy.deepcopy(draw(st.sampled_from(_ODD)))
        case "gone":
            del holder[key]
        case "moved":
            other, name = draw(st.sampled_from(places))
            holder[key] = copy.deepcopy(other[name])
        case "deep":
            for _ in range(draw(st.sampled_from((1, 5, 60)))):
                holder[key] = [holder[key]] if draw(st.booleans()) else {"value": holder[key]}
        case "key" if isinstance(holder, dict):
            holder[draw(st.text(max_size=3))] = holder.pop(key)
        case "many" if isinstance(holder, list):
            holder.extend(copy.deepcopy(holder[key]) for _ in range(draw(st.integers(1, 20))))


def _places(value: Any) -> Any:
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield value, key
            yield from _places(item)


def inputs(target: Target) -> st.SearchStrategy[bytes]:
    """Inputs for a target."""
    words = st.lists(st.one_of(st.sampled_from(target.words or (b"",)), st.binary(max_size=3)), max_size=40).map(b"".join)
    ways = [spliced(target), words]
    for seed in target.seeds:
        try:
            value = orjson.loads(seed)
        except orjson.JSONDecodeError:
            continue
        if isinstance(value, dict | list):
            ways += [odd_json(value)] * 2
    return st.one_of(ways)
