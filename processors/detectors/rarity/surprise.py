"""How surprising a count is, given what was learned of its rate: -ln P(at least so many), in nats.

Both sums go from the count upwards by the ratio of neighbouring terms, for counts beyond the mean, where terms fall.
"""

from __future__ import annotations

import math

_NEGLIGIBLE = 1e-9
"""Share of the sum below which further terms are ignored."""


def surprise_of_share(failures: int, calls: int, a: float, b: float) -> float:
    """Of at least so many failures of so many calls, where the share of failures is Beta(a, b): Beta-binomial."""
    first = math.lgamma(calls + 1) - math.lgamma(failures + 1) - math.lgamma(calls - failures + 1)
    first += _ln_beta(failures + a, calls - failures + b) - _ln_beta(a, b)
    total, term = 1.0, 1.0
    for k in range(failures, calls):
        term *= (calls - k) * (k + a) / ((k + 1) * (calls - k - 1 + b))
        total += term
        if term < total * _NEGLIGIBLE and k > calls * a / (a + b):
            break
    return -(first + math.log(total))


def _ln_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def surprise_of_count(count: int, shape: float, windows: float) -> float:
    """Of at least so many in a window, where their rate is Gamma(shape, windows): negative binomial."""
    ratio = 1.0 / (windows + 1.0)
    first = math.lgamma(shape + count) - math.lgamma(shape) - math.lgamma(count + 1.0)
    first += shape * math.log1p(-ratio) + count * math.log(ratio)
    total, term, number = 1.0, 1.0, count
    while term > _NEGLIGIBLE * total:
        term *= ratio * (shape + number) / (number + 1.0)
        total += term
        number += 1
    return -(first + math.log(total))
