"""Samples and rollups as documents, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stores.elasticsearch.samples.indices import NUMBERS, written
from stores.samples.store import RollupColumns, SampleColumns
from telemetry.metrics import STALE, is_stale

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from stores.samples.store import SampleBatch, Values
    from telemetry.json_object import JsonObject

_STALE = "stale"


def raw_operations(batch: SampleBatch, keep: NDArray[np.bool_], index: Callable[[int], str]) -> list[JsonObject]:
    """Lines of a bulk request that creates the samples of a batch that are kept."""
    lines: list[JsonObject] = []
    deltas = np.zeros(len(batch.ids), np.int64) if batch.deltas is None else batch.deltas
    columns = (column[keep].tolist() for column in (batch.ids, batch.times, deltas))
    texts = np.datetime_as_string(batch.times[keep].astype("datetime64[ns]"), unit="ns").tolist()
    values = batch.values[keep]
    for (number, time, delta), text, value in zip(zip(*columns, strict=True), texts, values, strict=True):
        finite, odd = written(float(value))
        body: JsonObject = {
            "@timestamp": f"{text}Z",
            "series": str(number),
            "delta": str(delta),
            "environment": batch.environment,
        }
        if odd is None:
            body["value"] = finite
        else:
            body["odd"] = _STALE if is_stale(float(value)) else odd
        lines += [{"create": {"_index": index(time)}}, body]
    return lines


def columns_of_samples(hits: Iterable[JsonObject]) -> SampleColumns:
    """Samples in order of series (as text) and time, deltas added."""
    ids: list[int] = []
    times: list[str] = []
    values: list[float] = []
    for hit in sorted((hit["_source"] for hit in hits), key=_by_number):
        number, time = int(hit["series"]), hit["@timestamp"]
        odd = hit.get("odd")
        value = hit["value"] if odd is None else STALE if odd == _STALE else float(odd)
        if hit["delta"] == "0":
            ids.append(number)
            times.append(time)
            values.append(value)
        elif ids and ids[-1] == number and times[-1] == time:
            values[-1] += value
    when = np.array([text.removesuffix("Z") for text in times], "datetime64[ns]").astype(np.int64)
    return SampleColumns(np.array(ids, np.int64), when, np.array(values, np.float64))


def _by_number(source: JsonObject) -> tuple[int, np.datetime64, bool]:
    time = np.datetime64(source["@timestamp"].removesuffix("Z"), "ns")
    return int(source["series"]), time, source["delta"] != "0"


def rollup_operations(made: RollupColumns, environment: str, index: Callable[[int], str]) -> list[JsonObject]:
    """Lines of a bulk request that writes rollups, in place of those that are there."""
    numbers = {name: getattr(made, name).tolist() for name in NUMBERS}
    lines: list[JsonObject] = []
    texts = np.datetime_as_string(made.ends.astype("datetime64[ns]"), unit="ms").tolist()
    times = zip(made.ids.tolist(), made.ends.tolist(), made.first_time.tolist(), made.last_time.tolist(), strict=True)
    for i, (number, end, first, last) in enumerate(times):
        body: JsonObject = {
            "@timestamp": f"{texts[i]}Z",
            "series": str(number),
            "environment": environment,
            "ending": end,
            "first_time": first,
            "last_time": last,
        }
        odd = {}
        for name in NUMBERS:
            finite, word = written(numbers[name][i])
            if word is None:
                body[name] = finite
            else:
                odd[name] = word
        if odd:
            body["odd"] = odd
        lines += [{"index": {"_index": index(end), "_id": f"{number}.{end}"}}, body]
    return lines


def columns_of_rollups(hits: Iterable[JsonObject]) -> RollupColumns:
    """Rollups in order of series and end."""
    found = sorted((hit["_source"] for hit in hits), key=lambda source: (int(source["series"]), source["ending"]))

    def integers(values: Sequence[int]) -> NDArray[np.int64]:
        return np.array(values, np.int64)

    def numbers(name: str) -> Values:
        return np.array([source[name] if name in source else float(source["odd"][name]) for source in found], np.float64)

    return RollupColumns(
        integers([int(source["series"]) for source in found]),
        integers([source["ending"] for source in found]),
        numbers("count"),
        numbers("sum"),
        numbers("least"),
        numbers("most"),
        numbers("first"),
        integers([source["first_time"] for source in found]),
        numbers("last"),
        integers([source["last_time"] for source in found]),
        numbers("lost"),
        numbers("resets"),
        numbers("changes"),
    )
