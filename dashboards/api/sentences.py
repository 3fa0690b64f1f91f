"""The parts of the sentences that answers hold beside the English text."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from processors.call_graph.calls import Rule
from telemetry.sentences import are_parts, parts_of
from telemetry.sentences.wording import Wording

SENTENCES = {one.code: one.value for one in Wording} | {f"rule_{one.name.lower()}": str(one) for one in Rule}
"""What can be said, in English, by code. Part of the API's description: the console's tests walk it."""


class SentenceParts(BaseModel):
    """What a sentence says, for readers of other languages: its code, and what stands in it by name."""

    model_config = ConfigDict(json_schema_extra={"x-sentences": dict(SENTENCES)})

    code: str
    values: dict[str, str | SentenceParts | list[str | SentenceParts]]


def parts_in(stored: object) -> SentenceParts | None:
    """The parts that a document has; None where it is of a release that stored none."""
    return SentenceParts.model_validate(stored) if are_parts(stored) else None


def parts_for(text: str) -> SentenceParts | None:
    """The parts of a text that has some."""
    return parts_in(parts_of(text))
