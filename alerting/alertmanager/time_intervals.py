"""Time intervals in which routes are muted or active.

https://prometheus.io/docs/alerting/latest/configuration/#time_interval
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Annotated, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, BeforeValidator, ConfigDict, field_validator, model_validator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_MINUTES_OF_DAY = re.compile(r"(?:([01]\d|2[0-3]):([0-5]\d)|24:00)")


@dataclass(frozen=True, slots=True)
class TimeSpan:
    """A range of whole numbers, both ends in it."""

    first: int
    last: int


def _spans(names: tuple[str, ...], base: int, least: int, most: int) -> object:
    def number(text: str) -> int:
        lowered = text.strip().lower()
        value = names.index(lowered) + base if lowered in names else int(text)
        if not least <= value <= most or (least < 0 and value == 0):
            raise ValueError(f'"{text}" is out of range')
        return value

    def parse(value: object) -> list[TimeSpan]:
        items = []
        for item in value if isinstance(value, list) else [value]:
            first, colon, last = str(item).partition(":")
            try:
                span = TimeSpan(number(first), number(last if colon else first))
            except ValueError as error:
                raise ValueError(f'"{item}" is not a range: {error}') from None
            if span.first > span.last and (span.first < 0) == (span.last < 0):
                raise ValueError(f'"{item}" begins after its end')
            if span.first < 0 < span.last:
                raise ValueError(f'"{item}": what begins by counting from the end must end so')
            if span.last < 0 < span.first and span.first > 28 + span.last:  # Alertmanager's bound, one day below February's
                raise ValueError(f'"{item}" begins after its end in a short month')
            items.append(span)
        return items

    return BeforeValidator(parse)


class _IntervalModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ignored_types=(cached_property,))


class TimeRange(_IntervalModel):
    """Part of a day: `start_time` is in it, `end_time` not. `HH:MM`."""

    start_time: str
    end_time: str

    @field_validator("start_time", "end_time")
    @classmethod
    def _time(cls, value: str) -> str:
        if not _MINUTES_OF_DAY.fullmatch(value):
            raise ValueError(f'"{value}" is not a time of day; write it like 09:30, in quotes')
        return value

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if _minute(self.start_time) >= _minute(self.end_time):
            raise ValueError("start_time must be before end_time: write two ranges for one over midnight")
        return self

    def holds(self, minute: int) -> bool:
        """Whether the minute of the day is in it."""
        return _minute(self.start_time) <= minute < _minute(self.end_time)


def _minute(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


class TimeInterval(_IntervalModel):
    """One description: every field given must hold."""

    times: list[TimeRange] = []
    weekdays: Annotated[list[TimeSpan], _spans(_DAYS, 0, 0, 6)] = []
    days_of_month: Annotated[list[TimeSpan], _spans((), 0, -31, 31)] = []
    months: Annotated[list[TimeSpan], _spans(_MONTHS, 1, 1, 12)] = []
    years: Annotated[list[TimeSpan], _spans((), 0, 1, 9999)] = []
    location: str = "UTC"

    @field_validator("location")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            _zone(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f'"{value}" is not a time zone known here') from None
        return value

    def holds(self, now: int) -> bool:
        """Whether the time (ns) is in it."""
        moment = (_EPOCH + timedelta(seconds=now // 1_000_000_000)).astimezone(_zone(self.location))
        length = monthrange(moment.year, moment.month)[1]
        return (
            (not self.times or any(part.holds(moment.hour * 60 + moment.minute) for part in self.times))
            and _in(self.weekdays, moment.isoweekday() % 7)
            and (not self.days_of_month or any(_from_end(span, length, moment.day) for span in self.days_of_month))
            and _in(self.months, moment.month)
            and _in(self.years, moment.year)
        )


def _zone(name: str) -> ZoneInfo | None:
    """The zone; None is this machine's."""
    return None if name == "Local" else ZoneInfo(name)


def _in(spans: list[TimeSpan], value: int) -> bool:
    return not spans or any(span.first <= value <= span.last for span in spans)


def _from_end(span: TimeSpan, length: int, day: int) -> bool:
    """Negative days count from the end of the month."""
    first, last = (end if end > 0 else length + 1 + end for end in (span.first, span.last))
    return max(first, 1) <= day <= min(last, length)
