"""What Envoy asks of a limit, as the service reads it.

A descriptor carries its limit, so that what holds is what the revision says that the asking agent has, and the
service needs to know no policies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from governance.limits.windows import Ask
from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

LIMIT, REQUESTS, PER = "limit", "requests", "per"
MAX_ENTRIES = 20
MAX_VALUE = 1000
"""Characters of a value; longer ones are counted by their beginning."""
_MOST = 10**15


def read_descriptor(entries: Sequence[tuple[str, str]], hits: int) -> Ask:
    """What is asked for.

    Raises:
        InputError: it is none of ours.
    """
    if not 3 <= len(entries) <= MAX_ENTRIES or tuple(key for key, _ in entries[:3]) != (LIMIT, REQUESTS, PER):
        raise InputError("a descriptor begins with limit, requests and per; see docs/governance.md")
    most, per = entries[1][1], entries[2][1]
    if not (most.isdecimal() and per.isdecimal() and 0 < int(most[:20]) <= _MOST and 0 < int(per[:20]) <= _MOST):
        raise InputError("requests and per are whole numbers above 0")
    key = (entries[0][1], *(f"{name}={value}"[:MAX_VALUE] for name, value in entries[3:]))
    return Ask(key, int(most), int(per), max(1, hits))
