"""Which environment an item on its way to stage 4 belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.exchange.codec import BatchKind
from telemetry.environment import DEFAULT_ENVIRONMENT, environment_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def by_environment(batch: BatchKind, items: Sequence[Any]) -> dict[str, Sequence[Any]]:
    """The items of a batch by the environment that they are of, each in the order that they had; a trace may be of several."""
    origin_of, name_of = _ENVIRONMENT[batch]
    if batch is BatchKind.TRACES:
        items = [part for trace in items for part in trace.by_environment()]
    names: dict[int, str] = {}  # by what it hangs on, of which a batch has few
    found: dict[str, list[Any]] = {}
    for item in items:
        origin = origin_of(item)
        name = names.get(id(origin))
        if name is None:
            name = names[id(origin)] = name_of(origin) or DEFAULT_ENVIRONMENT
            found.setdefault(name, [])
        found[name].append(item)
    return dict(found) if len(found) != 1 else dict.fromkeys(found, items)


def _itself(item: Any) -> Any:
    return item


_ENVIRONMENT: dict[BatchKind, tuple[Callable[[Any], object], Callable[[Any], str]]] = {
    BatchKind.POINTS: (lambda point: point.series, environment_of),
    BatchKind.TRACES: (_itself, lambda trace: str(trace.visits[0].environment)),
    BatchKind.LOG_TEMPLATES: (_itself, lambda line: str(line.environment)),
    BatchKind.EDGES: (_itself, lambda body: str(body.get("environment", ""))),
    BatchKind.ANOMALIES: (_itself, lambda body: str(body["environment"])),
}
"""What an item has its environment from, and how that names it."""
