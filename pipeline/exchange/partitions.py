"""Which partition owns a trace, a series, a service or an environment."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

from components.bounded_cache import remembered
from processors.kernels.trace_partition import of_trace
from telemetry.environment import DEFAULT_ENVIRONMENT

if TYPE_CHECKING:
    from telemetry.metrics import Series

__all__ = ["of_environment", "of_series", "of_service", "of_text", "of_trace"]


@remembered(16 << 20, lambda series, _: 2 * series.length)
def of_series(series: Series, partitions: int) -> int:
    """The partition of a series."""
    return crc32(repr((series.name, series.labels)).encode()) % partitions


def of_service(service: str, environment: str, partitions: int) -> int:
    """The partition where a service is learned, in each environment by itself."""
    return of_text(service if environment == DEFAULT_ENVIRONMENT else f"{environment}\0{service}", partitions)


def of_environment(environment: str, partitions: int) -> int:
    """The partition of an environment; that of the default one is the first, however many there are."""
    return 0 if environment == DEFAULT_ENVIRONMENT else of_text(environment, partitions)


def of_text(text: str, partitions: int) -> int:
    """The partition of a text, such as a service."""
    return crc32(text.encode()) % partitions
