"""Which requests: as routes, limits and authorization of Envoy say it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from governance.model import HeaderMatch, Match
    from telemetry.json_object import JsonObject

MILLION = 10_000
"""Parts of a million in a percent."""


def fraction(share: float) -> JsonObject:
    """A FractionalPercent."""
    return {"numerator": round(share * MILLION), "denominator": "MILLION"}


def seconds(duration: int) -> str:
    """A Duration, of nanoseconds."""
    return f"{duration // 10**9}.{duration % 10**9:09d}s"


def header_matches(headers: Iterable[HeaderMatch]) -> list[JsonObject]:
    """A HeaderMatcher for each."""
    return [_header(each) for each in headers]


def _header(header: HeaderMatch) -> JsonObject:
    if header.absent:
        return {"name": header.name, "present_match": True, "invert_match": True}
    for form, value in (("exact", header.exact), ("prefix", header.prefix)):
        if value is not None:
            return {"name": header.name, "string_match": {form: value}}
    if header.regex is not None:
        return {"name": header.name, "string_match": {"safe_regex": {"regex": header.regex}}}
    return {"name": header.name, "present_match": True}


def _methods(match: Match) -> list[JsonObject]:
    if not match.methods:
        return []
    one_of = "|".join(match.methods)
    return [{"name": ":method", "string_match": {"safe_regex": {"regex": one_of}}}]


def route_match(match: Match) -> JsonObject:
    """A RouteMatch."""
    found: JsonObject = {}
    if match.path is not None:
        found["path"] = match.path
    elif match.regex is not None:
        found["safe_regex"] = {"regex": match.regex}
    else:
        found["prefix"] = match.prefix or "/"
    if headers := _methods(match) + header_matches(match.headers):
        found["headers"] = headers
    if match.share is not None:
        found["runtime_fraction"] = {"default_value": fraction(match.share)}
    return found


def as_headers(match: Match) -> list[JsonObject]:
    """The same as header matchers alone; the path there has the query with it. Never empty."""
    path = []
    if match.path is not None:
        path = [{"name": ":path", "string_match": {"safe_regex": {"regex": re.escape(match.path) + r"(\?.*)?"}}}]
    elif match.regex is not None:
        path = [{"name": ":path", "string_match": {"safe_regex": {"regex": f"({match.regex})" + r"(\?.*)?"}}}]
    elif match.prefix is not None:
        path = [{"name": ":path", "string_match": {"prefix": match.prefix}}]
    return path + _methods(match) + header_matches(match.headers) or [{"name": ":path", "present_match": True}]


def permission(match: Match) -> JsonObject:
    """A Permission of RBAC: the path without its query, after Envoy has normalised it."""
    rules: list[JsonObject] = [{"header": each} for each in _methods(match) + header_matches(match.headers)]
    if match.path is not None:
        rules.append({"url_path": {"path": {"exact": match.path}}})
    elif match.prefix is not None:
        rules.append({"url_path": {"path": {"prefix": match.prefix}}})
    elif match.regex is not None:
        rules.append({"url_path": {"path": {"safe_regex": {"regex": match.regex}}}})
    return {"and_rules": {"rules": rules}} if rules else {"any": True}
