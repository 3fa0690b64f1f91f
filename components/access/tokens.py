"""Static bearer tokens: 256 random bits each, of which the configuration holds a hash and nobody the text.

A fast hash is right for them: they are random, so that nothing is gained by trying words.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from components.access.identity import RESERVED, shown_name
from components.access.roles import Role

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFIX = "spanloom_"
"""Begins every token, so that scanners for leaked secrets know one."""

TOKEN_BYTES = 32
_TOKEN = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")

_BEARER = re.compile(r"bearer +(\S+) *", re.IGNORECASE)


def _name(value: str) -> str:
    if shown_name(value) != value or value in RESERVED:
        raise ValueError("must be printable, and none of " + ", ".join(sorted(RESERVED)))
    return value


class TokenConfig(BaseModel):
    """A token that is accepted. `spanloom token new` makes one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, AfterValidator(_name)] = Field(
        min_length=1, max_length=100, description="who uses it; the audit trail names them so"
    )
    role: Role = Field(description="viewer, operator, admin, or ingest for one that may only send telemetry")
    hash: str = Field(pattern=r"^sha256:[0-9a-f]{64}$", description="sha256: and the SHA-256 of the token in hex")


def new_token() -> str:
    """A token that nobody has: `spanloom_` and 43 characters."""
    return PREFIX + secrets.token_urlsafe(TOKEN_BYTES)


def token_hash(token: str) -> str:
    """What the configuration holds of a token."""
    return f"sha256:{hashlib.sha256(token.encode()).hexdigest()}"


def is_token(text: str) -> bool:
    """Whether it has the form of a token of ours, whoever accepts it."""
    return _TOKEN.fullmatch(text) is not None


def bearer(authorization: str) -> str | None:
    """The token of an `Authorization: Bearer` header; None if it is something else."""
    found = _BEARER.fullmatch(authorization)
    return found[1] if found else None


class Tokens:
    """The tokens that are accepted."""

    def __init__(self, tokens: Iterable[TokenConfig]) -> None:
        self._tokens = tuple(tokens)
        self.names = frozenset(entry.name for entry in self._tokens)

    def __bool__(self) -> bool:
        return bool(self._tokens)

    def find(self, token: str) -> TokenConfig | None:
        """The token's entry. How long it takes says nothing about the hashes: all are compared, in constant time."""
        if not is_token(token):
            return None
        given = token_hash(token).encode()
        found: TokenConfig | None = None
        for entry in self._tokens:
            if hmac.compare_digest(entry.hash.encode(), given):
                found = entry
        return found
