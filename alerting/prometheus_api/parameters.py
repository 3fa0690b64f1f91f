"""What a request of Prometheus' HTTP API asks for: its parameters, from the address or from a form."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from alerting.promql.expression import parse_selector
from components.durations import SECOND, parse_duration
from components.http.request_body import read_body
from telemetry.errors import ConfigError, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request

    from alerting.promql.matchers import Matcher

MAX_FORM = 1 << 20
"""Bytes of a form: Grafana posts queries that are too long for an address."""

MAX_FIELDS = 1000
"""Parameters of a request."""

MAX_POINTS = 11_000
"""Steps of a range: as many as Prometheus allows."""

_FORM = "application/x-www-form-urlencoded"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = 2**63 - 1


class ParameterError(InputError):
    """A parameter that is missing or wrong, in Prometheus' words."""


@dataclass(frozen=True, slots=True)
class TimeRange:
    """Times from `start` to `end`, both included, each `step`; nanoseconds."""

    start: int
    end: int
    step: int

    @property
    def times(self) -> range:
        """Each of them."""
        return range(self.start, self.end + 1, self.step)


class Parameters:
    """The parameters of one request."""

    def __init__(self, fields: Mapping[str, Sequence[str]]) -> None:
        self._fields = fields

    def text(self, name: str, default: str = "") -> str:
        """The first of that name."""
        return next(iter(self._fields.get(name, ())), default)

    def time(self, name: str, default: int) -> int:
        """A time in nanoseconds, given as seconds since 1970 or in RFC 3339.

        Raises:
            ParameterError: it is neither.
        """
        text = self.text(name)
        return _time(name, text) if text else default

    def duration(self, name: str, default: int | None = None) -> int:
        """Nanoseconds, given as seconds or like 5m.

        Raises:
            ParameterError: it is neither, or missing without a default.
        """
        text = self.text(name)
        if not text and default is not None:
            return default
        try:
            return _seconds(text)
        except (ValueError, OverflowError):
            pass
        try:
            return parse_duration(text)
        except ConfigError as error:
            raise ParameterError(f'invalid parameter "{name}": {error}') from None

    def range(self) -> TimeRange:
        """`start`, `end` and `step`.

        Raises:
            ParameterError: one is missing or wrong, or there are more steps than MAX_POINTS.
        """
        start, end = (_time(name, self.text(name)) for name in ("start", "end"))
        if end < start:
            raise ParameterError('invalid parameter "end": end timestamp must not be before start time')
        step = self.duration("step")
        if step <= 0:
            raise ParameterError('invalid parameter "step": zero or negative query resolution step widths are not accepted')
        if (end - start) // step >= MAX_POINTS:
            raise ParameterError(
                f"exceeded maximum resolution of {MAX_POINTS:,} points per timeseries. "
                "Try decreasing the query resolution (?step=XX)"
            )
        return TimeRange(start, end, step)

    def selectors(self, *, needed: bool = False) -> list[tuple[Matcher, ...]]:
        """Each `match[]`; without any all series, unless one is needed.

        Raises:
            ParameterError: one is no selector, or none is there.
        """
        texts = self._fields.get("match[]", ())
        if needed and not texts:
            raise ParameterError("no match[] parameter provided")
        try:
            return [parse_selector(text) for text in texts] or [()]
        except ConfigError as error:
            raise ParameterError(f'invalid parameter "match[]": {error}') from None

    def limit(self) -> int:
        """How many items to answer at most; 0 for all.

        Raises:
            ParameterError: no such number.
        """
        text = self.text("limit", "0")
        if not (text.isascii() and text.isdecimal() and len(text) < 10):
            raise ParameterError(f'invalid parameter "limit": {text!r} is no number')
        return int(text)


async def parameters_of(request: Request) -> Parameters:
    """Those in the address, and those in the form of a POST.

    Raises:
        ParameterError: too many, or no form.
        InputError: the form is too large.
    """
    pairs = list(request.query_params.multi_items())
    if request.method == "POST":
        kind = request.headers.get("content-type", _FORM).partition(";")[0].strip().lower()
        if kind != _FORM:
            raise ParameterError(f"send a form, with the header Content-Type: {_FORM}")
        body = await read_body(request, MAX_FORM)
        try:
            pairs += parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS)
        except ValueError as error:
            raise ParameterError(f"the form cannot be read: {error}") from None
    if len(pairs) > MAX_FIELDS:
        raise ParameterError(f"more than {MAX_FIELDS} parameters")
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return Parameters(fields)


def _time(name: str, text: str) -> int:
    try:
        return _seconds(text)
    except (ValueError, OverflowError):
        pass
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return _within((moment - _EPOCH) // timedelta(microseconds=1) * 1000)
    except (ValueError, OverflowError):
        pass
    raise ParameterError(f'invalid parameter "{name}": cannot parse {text[:100]!r} to a valid timestamp')


def _seconds(text: str) -> int:
    return _within(round(float(text) * 1000) * (SECOND // 1000))  # milliseconds, as Prometheus keeps


def _within(nanoseconds: int) -> int:
    if abs(nanoseconds) > _LATEST:
        raise OverflowError
    return nanoseconds
