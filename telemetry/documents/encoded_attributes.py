"""Attributes that stay encoded until somebody asks for one: of most spans nobody does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from telemetry.resource import AttributeValue

if TYPE_CHECKING:
    from collections.abc import Callable, ItemsView, Iterator, KeysView, ValuesView


class EncodedAttributes(Mapping[str, AttributeValue]):
    """The attributes of an encoded span, as the dictionary of them."""

    __slots__ = ("_decode", "_decoded", "_encoded")

    def __init__(self, decode: Callable[[bytes], dict[str, AttributeValue]], encoded: bytes) -> None:
        """`encoded` is a span that was found valid; `decode` gives its attributes."""
        self._decode, self._encoded = decode, encoded
        self._decoded: dict[str, AttributeValue] | None = None

    @property
    def decoded(self) -> dict[str, AttributeValue]:
        """The dictionary."""
        if self._decoded is None:
            self._decoded = self._decode(self._encoded)
        return self._decoded

    def __getitem__(self, name: str) -> AttributeValue:
        return self.decoded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.decoded)

    def __len__(self) -> int:
        return len(self.decoded)

    def __contains__(self, name: object) -> bool:
        return name in self.decoded

    def keys(self) -> KeysView[str]:
        """Those of the dictionary, as the two below."""
        return self.decoded.keys()

    def items(self) -> ItemsView[str, AttributeValue]:
        """Names and values."""
        return self.decoded.items()

    def values(self) -> ValuesView[AttributeValue]:
        """Values."""
        return self.decoded.values()

    def __eq__(self, other: object) -> bool:
        return self.decoded == (other.decoded if isinstance(other, EncodedAttributes) else other)

    __hash__ = None  # type: ignore[assignment] # a dictionary has none

    def __repr__(self) -> str:
        return repr(self.decoded)
