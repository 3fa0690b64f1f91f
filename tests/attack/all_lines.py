"""Every line, in the order of the table."""

from __future__ import annotations

from tests.attack import (
    access,
    bombs,
    browsers,
    cardinality,
    connections,
    damage,
    distributed,
    http1,
    http2,
    queries,
    repairs,
    shapes,
    transport,
    values,
)

LINES = (
    *access.LINES,
    *browsers.LINES,
    *transport.LINES,
    *repairs.LINES,
    *connections.LINES,
    *http1.LINES,
    *http2.LINES,
    *bombs.LINES,
    *values.LINES,
    *shapes.LINES,
    *queries.LINES,
    *cardinality.LINES,
    *damage.LINES,
    *distributed.LINES,
)
