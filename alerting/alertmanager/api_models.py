"""Alerts and silences as clients post them to Alertmanager's API v2."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from alerting.alert_state import fingerprint
from alerting.alertmanager.silences import Silence
from alerting.alerts import APPROVE, RESERVED, StoredAlert
from alerting.promql.matchers import Matcher, MatchType
from components.http.request_body import read_body
from telemetry.errors import InputError

if TYPE_CHECKING:
    from starlette.requests import Request

    from telemetry.json_object import JsonObject

MAX_BODY = 8 << 20
"""Largest request body, in bytes."""
MAX_TEXT = 16_384
"""Most characters of an alert's labels, of its annotations, which are cut, and of a silence."""
LATEST = 2**63 - 1
"""The latest time that can be kept, ns: in the year 2262. A later one counts as it."""
_UNIX_EPOCH_YEAR = 1970


async def read_json(request: Request) -> Any:
    """The body, which must be declared as JSON: so that a page of another site cannot post it by a form.

    Raises:
        InputError: it is something else, or too large.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise InputError("send JSON, with the header Content-Type: application/json")
    body = await read_body(request, MAX_BODY)
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InputError(f"body is not JSON: {error}") from None


def postable_alert(item: Any, where: str, now: int, timeout: int) -> StoredAlert:
    """One alert.

    Args:
        item: as it came.
        where: it stands in the body, for errors.
        now: nanoseconds since the epoch.
        timeout: after which it resolves, unless it says when (ns).

    Raises:
        InputError: what is wrong with it.
    """
    if not isinstance(item, dict):
        raise InputError(f"{where}: must be an object")
    labels = _strings(item.get("labels"), f"{where}.labels")
    labels = {name: value for name, value in labels.items() if value}
    if not labels:
        raise InputError(f"{where}.labels: at least one label pair required")
    _check_length(f"{where}.labels", *labels, *labels.values())
    if labels.get("alertname") in RESERVED:
        raise InputError(f"{where}.labels: the alert {labels['alertname']} is Spanloom's own, which nobody else may send")
    annotations = _cut(_strings(item.get("annotations") or {}, f"{where}.annotations"))
    annotations.pop(APPROVE, None)  # only ours leads to an approval
    starts = _time(item.get("startsAt"), f"{where}.startsAt")
    ends = _time(item.get("endsAt"), f"{where}.endsAt") or now + timeout
    starts = starts or min(now, ends)
    if ends < starts:
        raise InputError(f"{where}: start time must not be after end time")
    url = _text(item, "generatorURL", f"{where}.")
    _check_length(f"{where}.generatorURL", url)
    return StoredAlert(labels, annotations, starts, ends, now, url, fingerprint(labels))


def postable_silence(item: Any, now: int) -> Silence:
    """One silence, new or with the id of the one that it changes.

    Raises:
        InputError: what is wrong with it.
    """
    if not isinstance(item, dict):
        raise InputError("the body must be a silence")
    matchers = item.get("matchers")
    if not isinstance(matchers, list):
        raise InputError("matchers: must be a list")
    silence = Silence(
        tuple(_matcher(matcher, f"matchers[{i}]") for i, matcher in enumerate(matchers)),
        _time(item.get("startsAt"), "startsAt") or now,
        _time(item.get("endsAt"), "endsAt"),
        _text(item, "createdBy"),
        _text(item, "comment"),
        _text(item, "id"),
    )
    _check_length("silence", silence.created_by, silence.comment, *map(str, silence.matchers))
    return silence


def _check_length(where: str, *texts: str) -> None:
    length = sum(map(len, texts))
    if length > MAX_TEXT:
        raise InputError(f"{where}: {length} characters; at most {MAX_TEXT}")


def _cut(annotations: dict[str, str]) -> dict[str, str]:
    """Annotations up to the bound: what is too long is cut and ends in an ellipsis, for the alert must not get lost by it."""
    remaining = MAX_TEXT
    kept = {}
    for name, text in annotations.items():
        remaining -= len(name) + len(text)
        if remaining < 0:
            kept[name[:MAX_TEXT]] = text[: max(0, len(text) + remaining)] + "…"
            break
        kept[name] = text
    return kept


def _text(item: JsonObject, name: str, where: str = "") -> str:
    """A text, empty where there is none."""
    value = item.get(name)
    if not isinstance(value, str | None):
        raise InputError(f"{where}{name}: must be a string")
    return value or ""


def _strings(value: Any, where: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise InputError(f"{where}: must be an object of strings")
    return value


def _time(value: Any, where: str) -> int:
    """Nanoseconds of an RFC 3339 time; 0 for none, or for Go's zero time."""
    if value is None or value == "":
        return 0
    if not isinstance(value, str):
        raise InputError(f"{where}: must be an RFC 3339 time")
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise InputError(f"{where}: {value[:100]!r} is not an RFC 3339 time") from None
    if moment.tzinfo is None:
        raise InputError(f"{where}: {value!r} has no time zone")
    if moment.year < _UNIX_EPOCH_YEAR:
        return 0
    return min(int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1000, LATEST)


def _matcher(item: Any, where: str) -> Matcher:
    if not isinstance(item, dict) or not isinstance(item.get("name"), str) or not isinstance(item.get("value"), str):
        raise InputError(f"{where}: needs name, value and isRegex")
    equal, regex = item.get("isEqual", True) is not False, item.get("isRegex") is True
    kinds = {
        (True, False): MatchType.EQUAL,
        (False, False): MatchType.NOT_EQUAL,
        (True, True): MatchType.REGEX,
        (False, True): MatchType.NOT_REGEX,
    }
    return Matcher.of(item["name"], kinds[equal, regex], item["value"])
