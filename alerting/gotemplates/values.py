"""The values of templates, and their truth and printing as Go has them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Markup(str):
    """HTML already: not escaped again."""

    __slots__ = ()


class Items(list[object]):
    """A list that has fields too, as Alertmanager's alerts and pairs do."""

    def __init__(self, items: Iterable[object], **fields: object) -> None:
        super().__init__(items)
        self.fields = fields


class Labels(dict[str, str]):
    """Labels or annotations: a missing one is empty."""


class KeyValues(Labels):
    """Labels or annotations with the methods of Alertmanager's KV."""

    def get(self, name: str, default: Any = "") -> Any:
        """A label, a method, or the default."""
        methods: dict[str, Callable[..., object]] = {
            "SortedPairs": lambda: Items(
                ({"Name": key, "Value": self[key]} for key in sorted(self)),
                Names=sorted(self),
                Values=[self[key] for key in sorted(self)],
            ),
            "Names": lambda: sorted(self),
            "Values": lambda: [self[key] for key in sorted(self)],
            "Remove": lambda names: KeyValues({key: value for key, value in self.items() if key not in names}),
        }
        return super().get(name, methods.get(name, default))


def truth(value: object) -> bool:
    """Go's truth: not false, zero, nil or empty."""
    return bool(value)


def printed(value: object) -> str:  # noqa: PLR0911  # one return a type
    """As Go's fmt prints with %v."""
    match value:
        case None:
            return "<no value>"
        case bool():
            return "true" if value else "false"
        case float():
            return go_float(value)
        case str():
            return value
        case Mapping():
            return "map[" + " ".join(f"{key}:{printed(value[key])}" for key in sorted(value)) + "]"
        case list() | tuple():
            return "[" + " ".join(map(printed, value)) + "]"
        case _:
            return str(value)


def go_float(value: float) -> str:
    """A float64 as Go's %v writes it: shortest digits, exponent below 1e-4 and from 1e21."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if value == 0 or 1e-4 <= abs(value) < 1e21:
        return format(Decimal(repr(value)), "f").removesuffix(".0")
    return repr(value)
