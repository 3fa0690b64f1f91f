"""Faults end at their time, whether or not the control plane can be reached then.

In a runtime layer the key `until.K` is the end, in seconds since the epoch, of every key that begins with `K.`
(components/xds/contract.py). From that moment on Envoy is given the layer without any of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from agent.relay.messages import RUNTIME, read_message
from components.xds.contract import UNTIL
from components.xds.pool import TYPE_PREFIX, parse, to_dict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_RUNTIME = RUNTIME.removeprefix(TYPE_PREFIX)
_SECOND = 1_000_000_000


def ends_of(layer: bytes) -> Iterable[int]:
    """When keys of a serialized `Runtime` end, in nanoseconds since the epoch; an end that is no number is left alone."""
    return _ends(_content(to_dict(read_message(_RUNTIME, layer)))).values()


def without_ended(layer: bytes, now: int) -> bytes:
    """The serialized `Runtime` without what has ended by `now`."""
    fields = to_dict(read_message(_RUNTIME, layer))
    content = _content(fields)
    ended = {key for key, end in _ends(content).items() if end <= now}
    if not ended:
        return layer
    gone, below = {UNTIL + key for key in ended}, tuple(f"{key}." for key in ended)
    kept = {key: value for key, value in content.items() if key not in gone and not key.startswith(below)}
    return parse(_RUNTIME, {**fields, "layer": kept}).SerializeToString(deterministic=True)


def _content(fields: Mapping[str, object]) -> Mapping[str, object]:
    return cast("Mapping[str, object]", fields.get("layer", {}))


def _ends(content: Mapping[str, object]) -> dict[str, int]:
    return {
        key.removeprefix(UNTIL): int(value * _SECOND)
        for key, value in content.items()
        if key.startswith(UNTIL) and isinstance(value, (int, float)) and not isinstance(value, bool)
    }
