"""A path as Envoy sees it when it decides: after it has normalised it."""

from __future__ import annotations

import re
import string

from telemetry.errors import InputError

_UNRESERVED = frozenset(string.ascii_letters + string.digits + "-._~")
_CLEAN = re.compile(r"/[!$&'()*+,;=:@%A-Za-z0-9._~/?-]*")
_SLASH = re.compile(r"%2f|%5c", re.IGNORECASE)
_ESCAPED = re.compile(r"%([0-9A-Fa-f]{2})")


def normalised(path: str) -> str:
    """The path, with its query, after `normalize_path` and `merge_slashes`.

    Raises:
        InputError: Envoy decides nothing of such a path: it refuses or redirects the request first.
    """
    if not _CLEAN.fullmatch(path):
        raise InputError(f"{path!r} is no path of a request: it begins with / and has characters of a URL alone, no #")
    before, mark, query = path.partition("?")
    if _SLASH.search(before):
        raise InputError(f"{path!r} has an escaped slash: Envoy redirects it to the path without; ask about that one")
    plain = _ESCAPED.sub(_unescape, before)
    if "%" in _ESCAPED.sub("", plain):
        raise InputError(f"{path!r} has a % that escapes nothing")
    return re.sub("/{2,}", "/", _without_dots(plain)) + mark + query


def _unescape(found: re.Match[str]) -> str:
    character = chr(int(found[1], 16))
    return character if character in _UNRESERVED else found[0]


def _without_dots(path: str) -> str:
    """RFC 3986, 5.2.4."""
    kept: list[str] = []
    parts = path.split("/")[1:]
    for at, part in enumerate(parts):
        last = at == len(parts) - 1
        if part == "..":
            if kept:
                kept.pop()
        elif part != ".":
            kept.append(part)
            continue
        if last:
            kept.append("")
    return "/" + "/".join(kept)
