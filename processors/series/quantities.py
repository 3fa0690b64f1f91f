"""Values with their units, as people say them: `53.6 ms`, `12.6%`, `3.2/s`, `62.8 kB`."""

from __future__ import annotations

import math

_SCALES = {
    "s": ((60.0, "min"), (1.0, "s"), (1e-3, "ms"), (0.0, "µs")),
    "By": ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (0.0, "B")),
}
_FINEST = {"s": 1e-6, "By": 1.0}


def quantities(unit: str, *values: float) -> list[str]:
    """Values of one series, to three digits.

    Args:
        unit: as OpenTelemetry has it (UCUM): `s`, `ms`, `By`, `1`, `%`, `1/s`. Others are omitted: `{line}` is a word of
            the sentence.
        values: in one form; a share (`1`) is in percent where all of them are at most one.
    """
    if unit == "ms":
        return quantities("s", *(value / 1e3 for value in values))
    if unit == "1" and all(abs(value) <= 1 for value in values):
        return [f"{digits(100 * value)}%" for value in values]
    if unit in _SCALES:
        return [_scaled(unit, value) for value in values]
    suffix = {"%": "%", "1/s": "/s"}.get(unit, "")
    return [f"{digits(value)}{suffix}" for value in values]


def digits(value: float) -> str:
    """Three digits, never an exponent: `0.0074`, `53.6`, `62,832`."""
    if not math.isfinite(value):
        return str(value)
    if value == 0:
        return "0"
    places = min(6, max(0, 2 - math.floor(math.log10(abs(value)))))
    text = f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _scaled(unit: str, value: float) -> str:
    if not math.isfinite(value):
        return str(value)
    least, name = next(scale for scale in _SCALES[unit] if abs(value) >= scale[0])
    return f"{digits(value / (least or _FINEST[unit]))} {name}"
