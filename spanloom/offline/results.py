"""What an analysis leaves in its folder: a file of each kind of document, written page by page, and scores.csv."""

from __future__ import annotations

import csv
import math
from contextlib import ExitStack
from typing import TYPE_CHECKING

import orjson

from processors.detectors.series import SeriesDetector
from stores.layout import ENVIRONMENT
from stores.store import Equals, Query
from telemetry.documents import Kind, age, timestamp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path
    from typing import IO, Self

    from stores.store import Store
    from telemetry.documents import Body
    from telemetry.metrics import Point, Series

FILES = {
    Kind.TRACE: "traces.jsonl",
    Kind.HOP: "hops.jsonl",
    Kind.EDGE: "edges.jsonl",
    Kind.LOG: "logs.jsonl",
    Kind.ANOMALY: "anomalies.jsonl",
    Kind.CULPRIT: "culprits.jsonl",
}
SCORES = "scores.csv"
REVISED = {Kind.TRACE, Kind.HOP}
PAGE = 5000


async def documents(store: Store, kind: Kind, page: int = PAGE, environment: str = "") -> AsyncIterator[Body]:
    """All documents of a kind by time, or those of an environment.

    No more than a page of them is in memory, or all of one time if they are more.
    """
    where = [Equals(ENVIRONMENT, environment)] if environment else []
    since, returned, size = None, set[str](), page
    while True:
        found = await store.find(Query(kind, where, since, limit=size))
        new = [body for body in found if body["_id"] not in returned]
        for body in new:
            yield body
        if len(found) < size:
            return
        last = found[-1]["@timestamp"]
        here = {body["_id"] for body in found if body["@timestamp"] == last}
        # Those of one time come in any order, and again: asked for twice as many until there are others.
        returned, size = (returned | here, size * 2) if last == since else (here, page)
        since = last


async def newest(store: Store, kind: Kind, page: int = PAGE, environment: str = "") -> AsyncIterator[Body]:
    """The newest revision of each document of a kind by time, without what was retracted; ids and ages are in memory."""
    ages: dict[str, tuple[tuple[int, bool], str]] = {}
    async for body in documents(store, kind, page, environment):
        known, own = ages.get(body["id"]), age(body)
        if known is None or own > known[0]:
            ages[body["id"]] = own, body["_id"]
    async for body in documents(store, kind, page, environment):
        if ages[body["id"]][1] == body["_id"] and not body.get("retracted"):
            yield body


class Results:
    """Files that come into the folder under their names all together, or not at all; then what an earlier run left is gone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: list[str] = []
        self._stack = ExitStack()

    def open(self, name: str) -> IO[str]:
        """A file to write; it has its name from `keep` on."""
        self._names.append(name)
        return self._stack.enter_context(self._part(name).open("w", newline="", encoding="utf-8"))

    def keep(self) -> None:
        """Give the files their names."""
        self._stack.close()
        for name in self._names:
            self._part(name).replace(self._folder / name)
        for name in {*FILES.values(), SCORES}.difference(self._names):
            (self._folder / name).unlink(missing_ok=True)

    def _part(self, name: str) -> Path:
        return self._folder / f".{name}.part"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        for name in self._names:
            self._part(name).unlink(missing_ok=True)


class ScoresFile:
    """Every metric point in order of arrival with the score that its series' detector gave it."""

    def __init__(self, file: IO[str]) -> None:
        self._rows = csv.writer(file, lineterminator="\n")
        self._rows.writerow(("series", "timestamp", "value", "anomaly_score"))
        self._scorer = SeriesDetector()

    def add(self, points: Iterable[Point]) -> None:
        """Score points and write their rows."""
        for point in points:
            self._rows.writerow((named(point.series), timestamp(point.time), point.value, f"{self._score(point):.6g}"))

    def _score(self, point: Point) -> float:
        # What is not a number does not reach the detectors of the pipeline either.
        return self._scorer.score(point).score if math.isfinite(point.value) else 0.0


def named(series: Series) -> str:
    """A series as Prometheus writes it: `name{label="value"}`."""
    labels = ",".join(f"{name}={orjson.dumps(value).decode()}" for name, value in series.labels)
    return f"{series.name}{{{labels}}}" if labels else series.name
