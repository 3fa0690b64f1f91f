"""Which attribute names of senders become fields of Elasticsearch's mapping.

Each new name is an update of the cluster's state, for which all writes of the index wait, and stays for as long as the index.
So names are bounded: by sender and time, by time, and in all. What is over is stored all the same, in one field for the rest
(`stores.elasticsearch.source`).
"""

from __future__ import annotations

import math
from collections import OrderedDict, defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from telemetry.json_object import JsonObject

MAX_NAMES = 3000
"""Names of a data stream. Its index has at most 10,000 fields (`templates`): several processes may be over it a little."""

SENDER_BURST, SENDER_RATE = 100, 10 / 60
"""New names of one service at once, and a second from then on. Services have 20 to 60, most of them shared."""

BURST, RATE = 200, 1.0
"""New names of all services in one process. An update takes 10 to 80 ms on two cores."""

SENDERS = 1000
"""Services whose budgets are remembered, the ones silent longest evicted first: they start over."""

LONGEST_NAME = 255
"""Characters of a name."""

STRING, INTEGER, NUMBER, BOOLEAN = "keyword", "long", "double", "boolean"

MAX_SHAPES, LONGEST_AROUND = 1024, 8192
"""Shapes of attributes that are remembered as fitting, and bytes of what is around one: with all of them eight megabytes."""

_FIT = {
    **dict.fromkeys(("long", "integer", "short", "byte", "unsigned_long"), frozenset({INTEGER})),
    **dict.fromkeys(("double", "float", "half_float", "scaled_float"), frozenset({INTEGER, NUMBER})),
    "boolean": frozenset({BOOLEAN}),
    **dict.fromkeys(("flattened", "object", "nested", "passthrough"), frozenset()),
}
"""What a field of these types indexes as it is; one of any other (keyword, text, date, ip) takes all scalars."""

_PLAIN = frozenset({str, bool, int})
"""Of which one value fits as any other does, but for an integer's range. A float may not be finite."""

INT64 = range(-(2**63), 2**63)
"""What a field of integers can hold."""


def type_of(value: object) -> str | None:
    """The type of field that a value needs: of a scalar, or of a list of one type. None: there is none for it."""
    if not isinstance(value, list):
        return _scalar_type(value)
    types = {_scalar_type(item) for item in value if item is not None}
    if types == {INTEGER, NUMBER}:
        return NUMBER
    return types.pop() if len(types) == 1 else None


def _scalar_type(value: object) -> str | None:
    match value:
        case str():
            return STRING
        case bool():
            return BOOLEAN
        case int() if value in INT64:
            return INTEGER
        case float() if math.isfinite(value):
            return NUMBER
        case _:
            return None


class _Bucket:
    """A token bucket, full at first."""

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, burst: float, rate: float, now: float) -> None:
        self._tokens, self._burst, self._rate, self._at = burst, burst, rate, now

    def has_one(self, now: float) -> bool:
        """Whether there is a token at this time."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        return self._tokens >= 1

    def reserve(self) -> None:
        """Use a token that is there."""
        self._tokens -= 1


class AttributeNames:
    """The names in the mapping of one data stream, and which new ones may join.

    Attributes:
        refused: names that were over a bound, by which, as often as they came.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._types: dict[str, str] = {}
        self._fitting: dict[str, dict[str, type]] = defaultdict(dict)  # by path and name, for what needs no second look
        self._shapes: set[tuple[int, bytes]] = set()
        self._all = _Bucket(BURST, RATE, monotonic())
        self._senders: OrderedDict[str, _Bucket] = OrderedDict()
        self.refused = {"sender": 0, "time": 0, "all": 0}

    def __len__(self) -> int:
        return len(self._types)

    def learn(self, mapping: Mapping[str, str]) -> None:
        """Know the fields that a mapping has, by their full names, with their types."""
        self._types.update(mapping)
        self._fitting.clear()
        self._shapes.clear()

    def knows(self, shape: int, around: bytes) -> bool:
        """Whether all attributes of a span of this shape have been found to fit, with those of its resource and scope."""
        return (shape, around) in self._shapes

    def remember(self, shape: int, around: bytes) -> None:
        """That they fit: a name that fits does so until `learn`. See `EncodedSpanDocument`."""
        if shape and len(around) <= LONGEST_AROUND:
            if len(self._shapes) >= MAX_SHAPES:
                self._shapes.clear()
            self._shapes.add((shape, around))

    def over(self, path: str, attributes: Mapping[str, object], sender: str) -> list[str]:
        """The names of those attributes that have to stand in the field for the rest."""
        fitting = self._fitting[path]
        over = []
        for name, value in attributes.items():
            kind = type(value)
            if fitting.get(name) is kind and (kind is not int or value in INT64):  # nearly always: this is the hot path
                continue
            if not self.admits(path, name, value, sender):
                over.append(name)
            elif kind in _PLAIN:
                fitting[name] = kind
        return over

    def admits(self, path: str, name: str, value: object, sender: str) -> bool:
        """Whether a value may stand under its name; else it has to stand in the field for the rest."""
        wanted = type_of(value)
        if wanted is None:
            return value is None and is_name(name)  # which needs no field
        field = f"{path}.{name}"
        type_ = self._types.get(field)
        if type_ is not None:
            fit = _FIT.get(type_)
            return fit is None or wanted in fit
        if not is_name(name) or not self._has_room(sender):
            return False
        self._types[field] = wanted
        return True

    def _has_room(self, sender: str) -> bool:
        if len(self._types) >= MAX_NAMES:
            self.refused["all"] += 1
            return False
        now = self._monotonic()
        own = self._senders.get(sender)
        if own is None:
            own = self._senders[sender] = _Bucket(SENDER_BURST, SENDER_RATE, now)
            if len(self._senders) > SENDERS:
                self._senders.popitem(last=False)
        self._senders.move_to_end(sender)
        if not own.has_one(now):
            self.refused["sender"] += 1
            return False
        if not self._all.has_one(now):
            self.refused["time"] += 1
            return False
        own.reserve()
        self._all.reserve()
        return True


def is_name(name: object) -> bool:
    """Whether Elasticsearch accepts it as a field's name."""
    return isinstance(name, str) and 0 < len(name) <= LONGEST_NAME and not name.isspace() and "\0" not in name


def fields_of(properties: JsonObject, path: str = "") -> dict[str, str]:
    """The fields of a mapping by their full names, with their types."""
    found: dict[str, str] = {}
    for name, mapping in properties.items():
        if "properties" in mapping:
            found |= fields_of(mapping["properties"], f"{path}{name}.")
        else:
            found[f"{path}{name}"] = mapping.get("type", "object")
    return found
