"""Errors as the API answers them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel

from dashboards.api.sentences import SentenceParts

if TYPE_CHECKING:
    from telemetry.json_object import JsonObject


class Problem(BaseModel):
    """Why there is no answer."""

    error: str
    parts: SentenceParts | None = None


ERRORS: dict[int | str, JsonObject] = {
    400: {"model": Problem, "description": "It was asked wrongly."},
    404: {"model": Problem, "description": "Nothing is stored of it."},
    503: {"model": Problem, "description": "The store does not answer, or too many ask at once."},
}
