"""Text that a person wrote for the value of an attribute, as the values that it may be."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stores.store import Scalar


def candidates(text: str) -> list[Scalar]:
    """The text, and the truth value or number that it reads as."""
    found: list[Scalar] = [text]
    if text in {"true", "false"}:
        found.append(text == "true")
    elif len(text) <= 40:
        for number in (int, float):
            try:
                value = number(text)
            except ValueError:
                continue
            if math.isfinite(value):
                found.append(value)
            break
    return found
