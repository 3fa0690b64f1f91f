"""An export request made to fit the records of a log: split, truncated where a span is too large alone, never dropped whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from telemetry.errors import DecodeError
from telemetry.otlp.decode import parse
from telemetry.otlp.split import split
from telemetry.otlp.truncate import truncate_spans

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from telemetry.otlp.request import Signal

MAX_GROWTH = 4
"""How many times as large a request may become when it is split; ordinary ones grow by a hundredth."""


@dataclass(slots=True)
class Fitted:
    """Requests in protobuf, in order; how many spans were truncated; of each item that was dropped, why."""

    parts: list[bytes] = field(default_factory=list)
    truncated: int = 0
    dropped: list[DecodeError] = field(default_factory=list)


def fit(signal: Signal, request: Message, max_bytes: int) -> Fitted:
    """A parsed request in parts of at most `max_bytes`, see `split`.

    A span that is larger alone is truncated, see `truncate_spans`. A span that is large but for its attribute values, a log
    record and a metric are dropped.

    Raises:
        DecodeError: resources and scopes would be repeated until there is far more than there was.
    """
    fitted = Fitted()
    left = MAX_GROWTH * max(request.ByteSize(), max_bytes)
    for part in split(signal, request, max_bytes):
        left -= len(part)
        if left < 0:
            reason = (
                f"its resources and scopes are too large: split into records of {max_bytes} bytes, each of which repeats them"
            )
            raise DecodeError("", f"{reason}, it would be more than {MAX_GROWTH} times as large")
        if len(part) <= max_bytes:
            fitted.parts.append(part)
        elif signal != "spans":
            what = "log record" if signal == "logs" else "metric"
            reason = f"a {what} of {len(part)} bytes with its resource and scope, {max_bytes} is the limit"
            fitted.dropped.append(DecodeError("", reason))
        else:
            alone = parse(signal, part)
            try:
                truncate_spans(alone, max_bytes)
            except DecodeError as error:
                fitted.dropped.append(error)
            else:
                fitted.parts.append(alone.SerializeToString())
                fitted.truncated += 1
    return fitted
