"""Values that policies are written in, and how each is read."""

from __future__ import annotations

import ipaddress
import re
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import re2
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from components.durations import HOUR, SECOND, parse_duration
from telemetry.errors import ConfigError

Item = TypeVar("Item")
LONGEST = 24 * HOUR
"""The longest duration of a policy."""


class Part(BaseModel):
    """What policies are made of: fixed once read, without fields that nobody knows."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _duration(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("write a duration like 250ms, 30s or 5m")  # noqa: TRY004 - pydantic reports ValueError alone
    try:
        found = parse_duration(value)
    except ConfigError as error:
        raise ValueError(str(error)) from None
    if not 0 < found <= LONGEST:
        raise ValueError("must be longer than 0 and at most 24h")
    return found


def _share(value: object) -> object:
    if isinstance(value, str) and (found := re.fullmatch(r"(\d{1,3}(?:\.\d{1,4})?)\s*%", value)):
        value = float(found[1])
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("write a share like 5% or 0.25%")  # noqa: TRY004 - as above
    return float(value)


def _pattern(value: str) -> str:
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(value, options)
    except re2.error as error:
        raise ValueError(f"not a regular expression of RE2: {error.args[0].decode(errors='replace')}") from None
    return value


def _some(value: tuple[Item, ...]) -> tuple[Item, ...]:
    if not value:
        raise ValueError("name at least one")
    return value


def _ip(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise ValueError("must be an IP address") from None


def _moment(value: object) -> object:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError("write a time like 2030-01-31T18:00:00Z") from None
    if not isinstance(value, datetime):
        raise ValueError("write a time like 2030-01-31T18:00:00Z")  # noqa: TRY004 - as above
    if value.tzinfo is None:
        value = value.replace(tzinfo=UTC)  # YAML reads what ends in Z as UTC, and leaves its zone off
    return int(value.timestamp()) * SECOND


Duration = Annotated[int, BeforeValidator(_duration)]
"""Nanoseconds, above 0 and at most `LONGEST`."""
Share = Annotated[float, BeforeValidator(_share), Field(gt=0, le=100)]
"""Percent of requests."""
Moment = Annotated[int, BeforeValidator(_moment)]
"""Nanoseconds since the epoch, whole seconds."""
Pattern = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_pattern)]
"""A regular expression that must match all of a value."""
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
"""Of a policy."""
SERVICE = r"^[A-Za-z0-9]([A-Za-z0-9._/-]{0,251}[A-Za-z0-9])?$"
Service = Annotated[str, Field(pattern=SERVICE)]
"""Of a service, as its spans name it: NAME, or NAMESPACE/NAME."""
Header = Annotated[str, Field(pattern=r"^:?[A-Za-z0-9_.-]{1,100}$")]
"""Name of a header."""
Host = Annotated[str, Field(pattern=r"^[A-Za-z0-9*]([A-Za-z0-9.:_-]{0,252})$")]
"""A host name as a Host header has it."""
Address = Annotated[str, AfterValidator(_ip)]
"""An IP address."""
Port = Annotated[int, Field(ge=1, le=65535)]
Text = Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""Plain text of one line."""
Some = AfterValidator(_some)
"""Of a list: it is not empty. Unlike a `min_length` it says nothing where the items themselves are wrong."""
Labels = Annotated[dict[Text, Text], Field(max_length=20)]
