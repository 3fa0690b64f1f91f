"""`spanloom analyse` on recorded faults of two real systems, in order and shuffled, and on files that are no good.

Four cases by default; every one with SPANLOOM_ALL_CASES=1.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import pty
import random
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from processors.assembly.edges import edge_from_body, is_empty, merge

CASES = Path(__file__).parents[3] / "shared" / "data" / "nezha"
QUICK = ("ob-2022-08-22-0518", "ob-2022-08-22-0726", "ts-2023-01-29-1020", "ts-2023-01-30-1352")
CHOSEN = sorted(path.name.split(".")[0] for path in CASES.glob("*.jsonl.gz")) if os.environ.get("SPANLOOM_ALL_CASES") else QUICK

shared = [
    pytest.mark.shared,
    pytest.mark.system,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not CASES.is_dir(), reason=f"NO DATA: {CASES} is missing; it holds the recorded faults"),
]


def analyse(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The command as a user runs it, in a pipe."""
    return subprocess.run(
        [sys.executable, "-m", "spanloom.cli", "analyse", *map(str, arguments)], capture_output=True, text=True, check=False
    )


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def spans_of(request: dict[str, Any]) -> list[dict[str, Any]]:
    return [span for group in request.get("resourceSpans", ()) for scope in group["scopeSpans"] for span in scope["spans"]]


def logs_of(request: dict[str, Any]) -> list[dict[str, Any]]:
    return [log for group in request.get("resourceLogs", ()) for scope in group["scopeLogs"] for log in scope["logRecords"]]


def counted(requests: list[dict[str, Any]]) -> dict[str, int]:
    """What the summary has to say, counted from the JSON alone."""
    spans: dict[tuple[str, str], str] = {}
    total = 0
    for request in requests:
        for span in spans_of(request):
            spans[span["traceId"], span["spanId"]] = span.get("parentSpanId", "")
            total += 1
    traced = [log for request in requests for log in logs_of(request) if log.get("traceId", "").strip("0")]
    return {
        "spans_in": len(spans),
        "spans_out": len(spans),
        "duplicates": total - len(spans),
        "traces": len({trace_id for trace_id, _ in spans}),
        "orphans": sum(bool(up.strip("0")) and (trace_id, up) not in spans for (trace_id, _), up in spans.items()),
        "logs_with_trace": len(traced),
        "logs_joined": len(traced),
    }


def results(folder: Path) -> dict[str, dict[Any, Any]]:
    """Traces, hops and edges of a run, without what tells how they came to be; corrections folded in."""
    edges: dict[Any, Any] = {}
    for edge in map(edge_from_body, lines(folder / "edges.jsonl")):
        place = (edge.key, edge.start)
        edges[place] = merge(edges[place], edge) if place in edges else edge
    return {
        "traces": {body["id"]: without(body, "revision", "_id") for body in lines(folder / "traces.jsonl")},
        "hops": {body["id"]: without(body, "revision", "_id") for body in lines(folder / "hops.jsonl")},
        "edges": {
            place: (
                edge.calls,
                edge.failures,
                edge.latency_sum,
                edge.latency,
                edge.self_time_sum,
                edge.critical_path_sum,
            )
            for place, edge in edges.items()
            if not is_empty(edge)
        },
    }


def without(body: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in names}


def assert_equal(one: dict[str, dict[Any, Any]], other: dict[str, dict[Any, Any]]) -> None:
    for kind, expected in one.items():
        assert other[kind].keys() == expected.keys(), kind
        differing = [(id_, expected[id_], other[kind][id_]) for id_ in expected if other[kind][id_] != expected[id_]]
        assert not differing, (kind, len(differing), differing[0])


def split_up(request: dict[str, Any]) -> list[dict[str, Any]]:
    """A request of each span of a request; what has no spans stays as it is."""
    if "resourceSpans" not in request:
        return [request]
    return [
        {"resourceSpans": [group | {"scopeSpans": [scope | {"spans": [span]}]}]}
        for group in request["resourceSpans"]
        for scope in group["scopeSpans"]
        for span in scope["spans"]
    ]


@pytest.mark.parametrize("case", [pytest.param(case, marks=shared) for case in CHOSEN])
def test_every_span_comes_out_and_every_log_with_a_trace_is_joined(case: str, tmp_path: Path) -> None:
    path = CASES / f"{case}.jsonl.gz"
    done = analyse(path, "--out", tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    with gzip.open(path, "rt") as file:
        expected = counted([json.loads(line) for line in file])
    assert {name: summary[name] for name in expected} == expected
    assert summary["ranking"]
    assert sum(body["span_count"] for body in lines(tmp_path / "traces.jsonl")) == expected["spans_in"]
    assert done.stderr == ""


@pytest.mark.parametrize("case", [pytest.param(case, marks=shared) for case in QUICK[:1] + QUICK[2:3]])
def test_shuffled_and_split_up_input_gives_the_same_traces_hops_and_edges(case: str, tmp_path: Path) -> None:
    path = CASES / f"{case}.jsonl.gz"
    with gzip.open(path, "rt") as file:
        parts = [part for line in file for part in split_up(json.loads(line))]
    random.Random(3).shuffle(parts)
    shuffled = tmp_path / "shuffled.jsonl"
    shuffled.write_text("\n".join(map(json.dumps, parts)))
    ordered_run = analyse(path, "--out", tmp_path / "ordered", "--json")
    shuffled_run = analyse(shuffled, "--out", tmp_path / "shuffled", "--json")
    assert ordered_run.returncode == shuffled_run.returncode == 0, shuffled_run.stderr
    first, second = json.loads(ordered_run.stdout), json.loads(shuffled_run.stdout)
    assert without(first, "seconds", "ranking", "rankings") == without(second, "seconds", "ranking", "rankings")
    assert_equal(results(tmp_path / "ordered"), results(tmp_path / "shuffled"))


def gauge(name: str, *points: tuple[int, float]) -> str:
    values = [{"timeUnixNano": str(second * 1_000_000_000), "asDouble": value} for second, value in points]
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": 'a "quoted", name'}}]}
    metrics = [{"name": name, "unit": "1", "gauge": {"dataPoints": values}}]
    return json.dumps({"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": metrics}]}]})


@pytest.mark.system
def test_scores_have_a_row_for_each_metric_point_in_order_of_arrival(tmp_path: Path) -> None:
    chance = random.Random(1)
    points = [(1_700_000_000 + 60 * i, 9.0 if i == 180 else chance.gauss(1, 0.1)) for i in range(200)]
    file = tmp_path / "metrics.jsonl"
    file.write_text("\n".join(gauge(name, point) for point in points for name in ("load", "other")))
    done = analyse(file, "--out", tmp_path / "out", "--scores")
    assert done.returncode == 0, done.stderr
    with (tmp_path / "out" / "scores.csv").open(newline="") as rows:
        found = list(csv.DictReader(rows))
    assert [row["series"].split("{")[0] for row in found[:2]] == ["load_ratio", "other_ratio"]
    by_series = defaultdict(list)
    for row in found:
        by_series[row["series"]].append(row)
    assert len(by_series) == 2
    for rows_of_one in by_series.values():
        assert [float(row["value"]) for row in rows_of_one] == [value for _, value in points]
        assert rows_of_one[0]["timestamp"] == "2023-11-14T22:13:20.000000000Z"
        scores = [float(row["anomaly_score"]) for row in rows_of_one]
        assert all(0 <= score <= 1 for score in scores)
        assert max(range(200), key=scores.__getitem__) == 180


@pytest.mark.system
def test_a_bad_line_ends_with_its_place_and_leaves_what_was_there(tmp_path: Path) -> None:
    file, out = tmp_path / "bad.jsonl", tmp_path / "out"
    out.mkdir()
    (out / "traces.jsonl").write_text("of an earlier run")
    file.write_text(gauge("load", (1, 1.0)) + "\n" + '{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "xyz"}]}]}]}\n')
    done = analyse(file, "--out", out, "--scores")
    assert done.returncode == 1
    assert f"{file}:2: resourceSpans[0].scopeSpans[0].spans[0].traceId" in done.stderr
    assert done.stdout == ""
    assert [path.name for path in out.iterdir()] == ["traces.jsonl"]
    assert (out / "traces.jsonl").read_text() == "of an earlier run"


@pytest.mark.system
def test_wrong_usage_is_distinguished_from_failure(tmp_path: Path) -> None:
    assert analyse(tmp_path / "missing.jsonl", "--out", tmp_path).returncode == 2
    assert analyse("--out", tmp_path).returncode == 2


@pytest.mark.system
def test_a_terminal_sees_how_far_it_is(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    file.write_text(gauge("load", (1, 1.0)))
    terminal, end = pty.openpty()
    try:
        subprocess.run(
            [sys.executable, "-m", "spanloom.cli", "analyse", file, "--out", tmp_path / "out"],
            stdout=subprocess.DEVNULL,
            stderr=end,
            env=os.environ | {"TERM": "xterm", "COLUMNS": "120"},
            check=True,
        )
        assert b"metrics.jsonl" in os.read(terminal, 65536)
    finally:
        os.close(end)
        os.close(terminal)
