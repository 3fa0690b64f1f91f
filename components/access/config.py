"""What the configuration says of access."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from components.access.proxies import Network, address_of
from components.access.roles import Role
from components.access.tokens import TokenConfig
from components.sender import is_loopback

MAX_TOKENS = 1000

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


def _secure_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        return value
    raise ValueError("must be an https:// URL; http:// is for loopback only")


def _url(value: str) -> str:
    if value and (urlsplit(value).scheme not in {"http", "https"} or not urlsplit(value).hostname):
        raise ValueError("must be a URL such as https://spanloom.example.com")
    return value.rstrip("/")


def _host(value: str) -> str:
    if _NAME.fullmatch(value) is None and address_of(value) is None:
        raise ValueError("must be a name or an address without scheme and port, such as spanloom.example.com")
    return value.lower().strip("[]")


def _origin(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ValueError("must be an origin such as https://ops.example.com")
    return value.lower().rstrip("/")


Host = Annotated[str, AfterValidator(_host)]
"""A name or an address, without scheme and port."""

Origin = Annotated[str, AfterValidator(_origin)]
"""Scheme, host and port of a page."""


class OidcConfig(BaseModel):
    """An OpenID Connect provider: people log in to the console there, programs send its tokens to the API."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: Annotated[str, AfterValidator(_secure_url)] = Field(description="its URL, as its tokens name it")
    client_id: str = Field(min_length=1, description="what it knows Spanloom by")
    client_secret: SecretStr | None = Field(default=None, description="none for a public client; PKCE is used in any case")
    audience: str = Field(default="", description="what tokens sent to the API must be made for; default: client_id")
    scopes: tuple[str, ...] = Field(default=("openid", "profile"), description="asked for at the login")
    role_claim: str = Field(
        default="roles", description="claim that names roles or groups; a dot leads into it: realm_access.roles"
    )
    roles: dict[str, Literal[Role.VIEWER, Role.OPERATOR, Role.ADMIN, Role.INGEST]] = Field(
        min_length=1, description="role of each value of that claim; who has none of them may nothing"
    )
    name_claim: str = Field(default="preferred_username", description="claim that names the person; `sub` where it is missing")


class ProxyConfig(BaseModel):
    """A proxy that authenticates people and says who they are in a header."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    addresses: tuple[Network, ...] = Field(min_length=1, description="addresses or networks of the proxy, and of nobody else")
    user_header: str = Field(default="X-Forwarded-User", pattern="^[A-Za-z0-9-]+$", description="names the person")
    groups_header: str = Field(
        default="X-Forwarded-Groups", pattern="^[A-Za-z0-9-]+$", description="names their groups, separated by commas"
    )
    roles: dict[str, Literal[Role.VIEWER, Role.OPERATOR, Role.ADMIN]] = Field(default={}, description="role of each group")
    default_role: Literal[Role.VIEWER, Role.OPERATOR, Role.ADMIN] | None = Field(
        default=None, description="role of people in none of these groups; null: they have no access"
    )

    @model_validator(mode="after")
    def _gives_a_role(self) -> Self:
        if not self.roles and self.default_role is None:
            raise ValueError("give `roles` of groups, or a `default_role`: without, nobody may anything")
        if any(network.prefixlen == 0 for network in self.addresses):
            raise ValueError("`addresses` must name the proxy: anybody else could say that they are anyone")
        return self


class AccessConfig(BaseModel):
    """Who may do what over HTTP."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tokens: tuple[TokenConfig, ...] = Field(
        default=(), max_length=MAX_TOKENS, description="bearer tokens that are accepted, by their hashes: spanloom token new"
    )
    oidc: OidcConfig | None = Field(default=None, description="an OpenID Connect provider")
    proxy: ProxyConfig | None = Field(default=None, description="a proxy that authenticates")
    read: Literal["open", "authenticated"] | None = Field(
        default=None, description="who may read: all, or who may by role; default: open where only this machine can reach it"
    )
    metrics: Literal["open", "authenticated"] | None = Field(
        default=None, description="who may read /metrics; default: as `read`"
    )
    url: Annotated[str, AfterValidator(_url)] = Field(
        default="", description="where browsers reach the console, if not by its address"
    )
    hosts: tuple[Host, ...] = Field(
        default=(), description="further names to answer to; those of loopback, of the own address and of URLs are known"
    )
    origins: tuple[Origin, ...] = Field(default=(), description="pages elsewhere that may send requests")
    session_hours: float = Field(default=12.0, gt=0, le=24 * 31, description="how long a login in the console lasts")

    @field_validator("tokens")
    @classmethod
    def _one_of_each(cls, tokens: tuple[TokenConfig, ...]) -> tuple[TokenConfig, ...]:
        for what in ("name", "hash"):
            values = [getattr(token, what) for token in tokens]
            twice = next((value for value in values if values.count(value) > 1), None)
            if twice is not None:
                raise ValueError(f"two tokens have the {what} {twice}: give each its own")
        return tokens

    @property
    def asks(self) -> bool:
        """Whether somebody can prove who they are; tokens that may only send telemetry do not count."""
        people = any(token.role is not Role.INGEST for token in self.tokens)
        return people or self.oidc is not None or self.proxy is not None
