"""The indices of samples: of series, of raw samples by day, of rollups by day or month, and of how far rollups are.

Raw samples are in indices of the mode `time_series`, each for a day: Elasticsearch makes a document's id of its series, time
and delta, so that a second one is refused. Data streams of that mode would refuse what is older than some hours.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from components.durations import SECOND
from stores.samples.levels import Level

if TYPE_CHECKING:
    from telemetry.json_object import JsonObject

NUMBERS = ("count", "sum", "least", "most", "first", "last", "lost", "resets", "changes")
"""Of a rollup, beside its times."""

_SETTINGS: JsonObject = {"number_of_shards": 1, "number_of_replicas": 0, "auto_expand_replicas": "0-1"}
_KEYWORD: JsonObject = {"type": "keyword"}
_LONG: JsonObject = {"type": "long"}
_TIME: JsonObject = {"type": "date_nanos"}
_KEPT: JsonObject = {"type": "object", "enabled": False}


def prefix_of(namespace: str) -> str:
    """What the names of all its indices begin with."""
    return f"spanloom-samples-{namespace}"


def period_of(level: Level, time: int) -> tuple[str, int, int]:
    """The period of an index, a month of hours or a day of all else: its name, its beginning and its end (excluded), ns."""
    day = datetime.fromtimestamp(time // SECOND, UTC).replace(hour=0, minute=0, second=0)
    if level is Level.HOUR:
        day = day.replace(day=1)
        following = (day + timedelta(days=32)).replace(day=1)
        return f"{day:%Y.%m}", int(day.timestamp()) * SECOND, int(following.timestamp()) * SECOND
    return f"{day:%Y.%m.%d}", int(day.timestamp()) * SECOND, int((day + timedelta(days=1)).timestamp()) * SECOND


def index_of(prefix: str, level: Level, time: int) -> str:
    """The index that a sample, or a bucket by its end, belongs to."""
    return f"{prefix}-{level.title}-{period_of(level, time)[0]}"


def raw_index(begin: int, end: int) -> JsonObject:
    """Settings and mappings of the raw samples of a day."""
    dimension = {**_KEYWORD, "time_series_dimension": True}
    return {
        "settings": {
            **_SETTINGS,
            "mode": "time_series",
            "routing_path": ["series"],
            "time_series": {"start_time": _text(begin), "end_time": _text(end)},
        },
        "mappings": {
            "dynamic": "strict",
            "properties": {
                "@timestamp": _TIME,
                "series": dimension,
                "delta": dimension,
                "environment": _KEYWORD,
                "value": {"type": "double"},
                "odd": _KEYWORD,
            },
        },
    }


def rollup_index() -> JsonObject:
    """Settings and mappings of rollups."""
    numbers = {name: {"type": "double"} for name in NUMBERS}
    own = {"series": _KEYWORD, "environment": _KEYWORD, "ending": _LONG, "first_time": _LONG, "last_time": _LONG}
    return {
        "settings": _SETTINGS,
        "mappings": {"dynamic": "strict", "properties": {"@timestamp": _TIME, **own, **numbers, "odd": _KEPT}},
    }


SERIES_INDEX: JsonObject = {
    "settings": _SETTINGS,
    "mappings": {
        "dynamic": "strict",
        "properties": {"environment": _KEYWORD, "labels": {**_KEYWORD, "index": False, "doc_values": False}, "latest": _LONG},
    },
}

STATE_INDEX: JsonObject = {
    "settings": _SETTINGS,
    "mappings": {"dynamic": "strict", "properties": {"newest": _LONG, "until": _KEPT, "pending": _KEPT}},
}


def written(value: float) -> tuple[float | None, str | None]:
    """A number as JSON has it: itself, or the word for one that is not finite."""
    if math.isfinite(value):
        return value, None
    return None, "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _text(time: int) -> str:
    return f"{datetime.fromtimestamp(time // SECOND, UTC):%Y-%m-%dT%H:%M:%SZ}"
