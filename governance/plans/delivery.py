"""The plan of a delivery, as people write it in a route."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from typing import Annotated, Self

from pydantic import Field, model_validator

from components.durations import SECOND
from governance.values import Duration, Labels, Part, Share, Some, Text

LEAST_SHARE = 0.1
"""Percent; weights are thousandths."""


class DeliveryPlan(Part):
    """The share of calls that new instances get, step by step; the control plane decides when the next step comes."""

    old: Annotated[Labels, Some]
    new: Annotated[Labels, Some]
    steps: Annotated[tuple[Share, ...], Field(max_length=50), Some] = (1.0, 10.0, 50.0, 100.0)
    watch: Duration = 300 * SECOND
    """The least time that a step lasts."""
    calls: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    """The fewest calls of each side that a step below 100 % is judged by; until then it lasts."""
    release: Text | None = None
    """What is delivered. Another value begins again at the first step."""

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if any(after <= before for before, after in pairwise(self.steps)):
            raise ValueError("steps: each must be more than the one before")
        if self.steps and self.steps[0] < LEAST_SHARE:
            raise ValueError(f"steps: at least {LEAST_SHARE}%")
        if self.old == self.new:
            raise ValueError("old and new are the same instances")
        return self

    @property
    def digest(self) -> str:
        """Equal for equal plans."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()
