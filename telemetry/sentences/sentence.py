"""Texts for people that carry their parts, a code and named values, so that each reader's language can say the same.

A `Sentence` is its English text wherever a text is expected; `parts_of` gives what a document stores beside that text.
What is joined to other text, or read back from a place that keeps texts only, is a plain text, which readers show as it is.
The codes are those of `telemetry/sentences/wording.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from telemetry.json_object import JsonObject

MAX_DEPTH = 4
"""Sentences inside of sentences that are read back."""


class Sentence(str):
    """A text with its parts.

    Attributes:
        code: names what it says.
        values: by name: texts and numbers that no language changes, sentences within, and several of either.
    """

    __slots__ = ("code", "values")
    code: str
    values: Mapping[str, Value]

    def __new__(cls, text: str, code: str, values: Mapping[str, Value]) -> Self:
        """The text as English has it, and its parts."""
        self = super().__new__(cls, text)
        self.code, self.values = code, values
        return self

    def __getnewargs__(self) -> tuple[str, str, Mapping[str, Value]]:  # type: ignore[override]
        """For copies and for other processes."""
        return str(self), self.code, self.values

    def each(self, change: Callable[[str], str]) -> Sentence:
        """The same with all of its texts changed, such as masked."""
        return Sentence(change(str(self)), self.code, {name: _each(value, change) for name, value in self.values.items()})


Value = str | tuple[str, ...]
"""What stands in a sentence."""


def parts_of(text: str) -> JsonObject | None:
    """The parts of a text as documents store them; None where it has none."""
    if not isinstance(text, Sentence):
        return None
    return {"code": text.code, "values": {name: _stored(value) for name, value in text.values.items()}}


def with_parts(text: str, stored: object) -> str:
    """A text with the parts that were stored beside it; the text alone where there are none, or none that can be read."""
    return Sentence(text, *found) if (found := _parts(stored, MAX_DEPTH)) is not None else text


def are_parts(stored: object) -> TypeGuard[JsonObject]:
    """Whether something stored has the form that `parts_of` gives."""
    return _parts(stored, MAX_DEPTH) is not None


def changed(text: str, change: Callable[[str], str]) -> str:
    """A text changed, and its parts with it if it has some."""
    return text.each(change) if isinstance(text, Sentence) else change(text)


def sentence_of(error: BaseException) -> str:
    """What an error says, with its parts if it was raised with some."""
    said = error.args[0] if len(error.args) == 1 else None
    return said if isinstance(said, Sentence) else str(error)


def _each(value: Value, change: Callable[[str], str]) -> Value:
    return changed(value, change) if isinstance(value, str) else tuple(changed(item, change) for item in value)


def _stored(value: Value) -> object:
    if isinstance(value, tuple):
        return [parts_of(item) or item for item in value]
    return parts_of(value) or value


def _parts(stored: object, depth: int) -> tuple[str, dict[str, Value]] | None:
    if not depth or not isinstance(stored, dict) or not isinstance(code := stored.get("code"), str):
        return None
    values = stored.get("values")
    if not isinstance(values, dict):
        return None
    found: dict[str, Value] = {}
    for name, value in values.items():
        read = _value(value, depth - 1)
        if read is None or not isinstance(name, str):
            return None
        found[name] = read
    return code, found


def _value(stored: object, depth: int) -> Value | None:
    if isinstance(stored, list):
        items = [_one(item, depth) for item in stored]
        return tuple(item for item in items if item is not None) if None not in items else None
    return _one(stored, depth)


def _one(stored: object, depth: int) -> str | None:
    if isinstance(stored, str):
        return stored
    found = _parts(stored, depth)
    return Sentence("", *found) if found is not None else None
