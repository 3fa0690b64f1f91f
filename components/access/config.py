"""What the configuration says of access."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator

from components.access.tokens import TokenConfig

MAX_TOKENS = 1000


class AccessConfig(BaseModel):
    """Who may do what."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tokens: tuple[TokenConfig, ...] = Field(
        default=(), max_length=MAX_TOKENS, description="bearer tokens that are accepted, by their hashes: spanloom token new"
    )

    @field_validator("tokens")
    @classmethod
    def _one_of_each(cls, tokens: tuple[TokenConfig, ...]) -> tuple[TokenConfig, ...]:
        for what in ("name", "hash"):
            values = [getattr(token, what) for token in tokens]
            twice = next((value for value in values if values.count(value) > 1), None)
            if twice is not None:
                raise ValueError(f"two tokens have the {what} {twice}: give each its own")
        return tokens
