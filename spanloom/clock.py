"""The one place that asks for the time. Everything else is handed a function that returns it."""

from __future__ import annotations

import time
from collections.abc import Callable

Now = Callable[[], int]
"""Returns the time in nanoseconds since the epoch."""

system: Now = time.time_ns
"""The machine's clock."""
