"""Every line, in the order of the table."""

from __future__ import annotations

from tests.attack import (
    access,
    audit,
    bombs,
    browsers,
    cardinality,
    connections,
    crashes,
    damage,
    disk,
    distributed,
    http1,
    http2,
    outage,
    queries,
    repairs,
    shapes,
    strangers,
    transport,
    values,
)

LINES = (
    *access.LINES,
    *browsers.LINES,
    *transport.LINES,
    *repairs.LINES,
    *strangers.LINES,
    *audit.LINES,
    *connections.LINES,
    *http1.LINES,
    *http2.LINES,
    *bombs.LINES,
    *values.LINES,
    *shapes.LINES,
    *queries.LINES,
    *cardinality.LINES,
    *damage.LINES,
    *disk.LINES,
    *crashes.LINES,
    *distributed.LINES,
    *outage.LINES,
)
