"""Days of the month as Alertmanager 0.28's own package answers."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

from alerting.alertmanager.time_intervals import TimeInterval
from components.durations import SECOND

ENDS = (-32, -31, -30, -29, -28, -27, -2, -1, 0, 1, 2, 27, 28, 29, 30, 31, 32)
MONTHS = (datetime(2023, 2, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC), datetime(2023, 4, 1, tzinfo=UTC))
ANSWERS = "c24b3c61ced10312c6cf7f2dc91dedb50dfb2b822a882fd8e00c5907560d10b1"
"""SHA-256 of the answers of timeinterval.TimeInterval of Alertmanager 0.28.1: a line for each range of two of the ends, either
`refused`, or for each day of the months, and of January 2023, whether it is in it."""


def days(month: datetime) -> list[int]:
    """Midnight of each day of a month, in ns."""
    found = [month + timedelta(days=i) for i in range(31)]
    return [int(day.timestamp()) * SECOND for day in found if day.month == month.month]


def answer(text: str) -> str:
    try:
        interval = TimeInterval.model_validate({"days_of_month": [text]})
    except ValueError:
        return "refused"
    months = (*MONTHS, datetime(2023, 1, 1, tzinfo=UTC))
    return "".join("".join(str(int(interval.holds(day))) for day in days(month)) + " " for month in months)


def test_days_of_the_month_are_alertmanagers() -> None:
    answers = "\n".join(answer(f"{first}:{last}") for first in ENDS for last in ENDS)
    assert hashlib.sha256(answers.encode()).hexdigest() == ANSWERS
