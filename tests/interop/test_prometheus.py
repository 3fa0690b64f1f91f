"""PromQL against a real Prometheus: the same samples, the same expressions, the same answers.

Prometheus is Debian's package; without it the comparison is skipped.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from alerting.promql.compiler import FUNCTIONS
from components.durations import SECOND, parse_duration
from tests.interop.promql_answers import RECORDED_TIMES, Answer, agree, hour, openmetrics, ours, points, record, recorded, same
from tests.interop.promql_cases import EDGE_TIMES, EDGES, EXPRESSIONS, START, TIMES, reaching_back_as_242  # noqa: F401  # a fixture

if TYPE_CHECKING:
    from collections.abc import Iterator

PROMETHEUS, PROMTOOL = shutil.which("prometheus"), shutil.which("promtool")
pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not (PROMETHEUS and PROMTOOL), reason="no prometheus and promtool on the PATH (Debian: prometheus)"),
]


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("prometheus")) as url:
        yield url


@contextmanager
def running(home: Path, config: str = "") -> Iterator[str]:
    """A Prometheus that holds the points, by its URL; one with a configuration of its own holds nothing."""
    (home / "prometheus.yml").write_text(config or "scrape_configs: []\n")
    if not config:
        (home / "samples.txt").write_text(openmetrics(points()), encoding="utf-8")
        subprocess.run(
            [str(PROMTOOL), "tsdb", "create-blocks-from", "openmetrics", str(home / "samples.txt"), str(home / "data")],
            check=True,
            capture_output=True,
        )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [
            str(PROMETHEUS), f"--config.file={home}/prometheus.yml", f"--storage.tsdb.path={home}/data",
            "--storage.tsdb.retention.time=50y", f"--web.listen-address=127.0.0.1:{port}", "--log.level=error",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"{url}/-/ready", timeout=5).close()
                break
            except (urllib.error.URLError, OSError):
                assert process.poll() is None, "prometheus ended"
                assert time.monotonic() < deadline, "prometheus did not get ready"
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def theirs(url: str, text: str, at: float) -> tuple[Answer, list[float]]:
    query = urllib.parse.urlencode({"query": text, "time": f"{at:.3f}"})
    try:
        with urllib.request.urlopen(f"{url}/api/v1/query?{query}", timeout=30) as response:
            data = json.load(response)["data"]
    except urllib.error.HTTPError as error:
        error.close()
        return None, []
    if data["resultType"] == "scalar":
        return {frozenset(): float(data["result"][1])}, []
    return (
        {frozenset(item["metric"].items()): float(item["value"][1]) for item in data["result"]},
        [float(item["value"][1]) for item in data["result"]],
    )


@pytest.mark.usefixtures("reaching_back_as_242")
def test_every_answer_is_prometheus_own(prometheus: str, capsys: pytest.CaptureFixture[str]) -> None:
    samples = hour()
    assert samples.counts.conflicting == 0
    assert samples.newest > SECOND * START
    compared: Counter[str] = Counter()
    elements: Counter[str] = Counter()
    different: dict[str, list[str]] = {}
    for name, expressions in EXPRESSIONS.items():
        for text in expressions:
            for at in TIMES:
                (expected, their_order), (found, our_order) = theirs(prometheus, text, at), ours(samples, text, at)
                compared[name] += 1
                elements[name] += len(expected or ())
                ordered = name == "sort" and not all(map(same, their_order, our_order))
                if not agree(expected, found) or ordered:
                    different.setdefault(name, []).append(f"{text} at {at}: prometheus {expected}, ours {found}")
    with capsys.disabled():
        print(f"\n\n{'PromQL against Prometheus':<28}{'cases':>7}{'elements':>10}{'differences':>13}")  # noqa: T201  # the table is the point
        for name in EXPRESSIONS:
            print(f"{name:<28}{compared[name]:>7}{elements[name]:>10}{len(different.get(name, ())):>13}")  # noqa: T201  # the table is the point
        print(f"{'all':<28}{compared.total():>7}{elements.total():>10}{sum(map(len, different.values())):>13}")  # noqa: T201  # the table is the point
    assert not different, "\n".join(line for lines in different.values() for line in lines[:3])


def test_a_range_leaves_out_its_beginning_as_in_prometheus_3(prometheus: str) -> None:
    """The oracle, a 2.42, leaves it out when the range is a millisecond less; samples are of whole seconds."""
    samples = hour()
    for text in EDGES:
        for at in EDGE_TIMES:
            shorter = re.sub(r"\{(\w+)\}", lambda found: f"{parse_duration(found[1]) // 1_000_000 - 1}ms", text)
            (expected, _), (found, _) = theirs(prometheus, shorter, at), ours(samples, re.sub(r"[{}]", "", text), at)
            assert agree(expected, found), f"{text} at {at}: prometheus {expected}, ours {found}"


def test_every_function_covered_is_compared() -> None:
    texts = " ".join(text for texts in EXPRESSIONS.values() for text in texts)
    assert [name for name in sorted(FUNCTIONS) if f"{name}(" not in texts] == []


def of_all(url: str) -> dict[str, list[Answer]]:
    return {text: [theirs(url, text, at)[0] for at in RECORDED_TIMES] for texts in EXPRESSIONS.values() for text in texts}


def test_its_answers_are_those_recorded(prometheus: str) -> None:
    live, kept = of_all(prometheus), recorded()
    assert kept.keys() == live.keys(), "python -m tests.interop.test_prometheus records them"
    assert [text for text in live if not all(map(agree, kept[text], live[text]))] == []


if __name__ == "__main__":
    with TemporaryDirectory() as folder, running(Path(folder)) as server:
        record(of_all(server))
