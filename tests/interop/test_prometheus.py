"""PromQL against a real Prometheus: the same samples, the same expressions, the same answers.

Prometheus is Debian's package; without it the comparison is skipped.
"""

from __future__ import annotations

import json
import math
import random
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from alerting.promql.compiler import FUNCTIONS
from alerting.promql.expression import PromqlError, compile_expression
from alerting.promql.vectors import EvaluationError
from alerting.rules.samples import Limits, Samples
from components.durations import HOUR, SECOND, parse_duration
from telemetry.metrics import Point, Series
from tests.interop.promql_cases import EDGE_TIMES, EDGES, EXPRESSIONS, START, TIMES, reaching_back_as_242  # noqa: F401  # a fixture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROMETHEUS, PROMTOOL = shutil.which("prometheus"), shutil.which("promtool")
pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not (PROMETHEUS and PROMTOOL), reason="no prometheus and promtool on the PATH (Debian: prometheus)"),
]

MINUTES = 60


def points() -> list[Point]:  # noqa: C901  # one generator a kind of series
    """An hour of counters with resets, gauges with gaps, NaN and infinities, histograms; on time and with jitter."""
    chance = random.Random(7)
    found: list[Point] = []

    def series(name: str, values: Iterator[float], *, jitter: bool, gaps: bool, **labels: str) -> None:
        own = Series(name, tuple(sorted(labels.items())))
        for step in range(0, MINUTES * 60, 15):
            value = next(values)
            milliseconds = (START + step) * 1000 + (chance.randrange(15_000) if jitter else 0)
            if not gaps or chance.random() < 0.8:
                found.append(Point(own, milliseconds * 1_000_000, value))

    def counter(rate: float, resets: float) -> Iterator[float]:
        value = 0.0
        while True:
            value = 0.0 if chance.random() < resets else value + chance.randrange(int(rate * 10)) / 10
            yield value

    def gauge(scale: float, odd: float = 0) -> Iterator[float]:
        value = 0.0
        while True:
            value += chance.gauss(0, scale)
            yield chance.choice((math.nan, math.inf, -math.inf, 0.0, -0.5)) if chance.random() < odd else value

    for i, service in enumerate(("cart", "pay", "ship", "käse\n\"'")):
        for status in ("200", "500"):
            series("requests", counter(5 + i, 0.02), jitter=i % 2 == 1, gaps=i == 2, service=service, status=status)
        series("memory", gauge(10.0**i), jitter=i == 0, gaps=i > 1, service=service)
        series("odd", gauge(1, 0.1), jitter=False, gaps=False, service=service)
        series("steady", iter(lambda: 3.5, None), jitter=False, gaps=False, service=service, zone="ab"[i % 2])
        bounds = [0.1, 0.25, 0.5, 1.0, math.inf]
        total = [0] * len(bounds)

        def bucket(at: int, total: list[int] = total) -> Iterator[float]:
            while True:
                total[at] += chance.randrange(3)
                yield float(sum(total[: at + 1]))

        for at, bound in enumerate(bounds):
            le = "+Inf" if bound == math.inf else str(bound)
            series("latency_bucket", bucket(at), jitter=False, gaps=False, service=service, le=le)
    series("info", iter(lambda: 1.0, None), jitter=False, gaps=False, service="cart", version="1.2", team="a")
    series("info", iter(lambda: 1.0, None), jitter=False, gaps=False, service="pay", version="1.3", team="b")
    series("epoch", iter(range(0, 10**12, 700_000_007)), jitter=False, gaps=False, service="cart")
    return found


def openmetrics(samples: list[Point]) -> str:
    """The exposition that promtool reads."""
    lines = []
    for name in sorted({point.series.name for point in samples}):
        lines.append(f"# TYPE {name} unknown")
        for point in samples:
            if point.series.name == name:
                labels = ",".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in point.series.labels)
                value = {math.inf: "+Inf", -math.inf: "-Inf"}.get(point.value, repr(float(point.value)))
                value = "NaN" if math.isnan(point.value) else value
                lines.append(f"{name}{{{labels}}} {value} {point.time // 1_000_000 / 1000:.3f}")
    return "\n".join([*lines, "# EOF", ""])


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus that holds the points, by its URL."""
    home: Path = tmp_path_factory.mktemp("prometheus")
    (home / "samples.txt").write_text(openmetrics(points()), encoding="utf-8")
    (home / "prometheus.yml").write_text("scrape_configs: []\n")
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


Answer = dict[frozenset[tuple[str, str]], float] | None


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


def ours(samples: Samples, text: str, at: float) -> tuple[Answer, list[float]]:
    try:
        vector = compile_expression(text).evaluate(samples, round(at * 1000) * 1_000_000)
    except (EvaluationError, PromqlError):
        return None, []
    return {frozenset(labels): value for labels, value in vector}, [value for _, value in vector]


def same(a: float, b: float) -> bool:
    return (math.isnan(a) and math.isnan(b)) or a == b or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)


def agree(a: Answer, b: Answer) -> bool:
    if a is None or b is None:
        return a is b
    return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)


@pytest.mark.usefixtures("reaching_back_as_242")
def test_every_answer_is_prometheus_own(prometheus: str, capsys: pytest.CaptureFixture[str]) -> None:
    samples = Samples(Limits(retention=2 * HOUR))
    samples.add(points())
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
    samples = Samples(Limits(retention=2 * HOUR))
    samples.add(points())
    for text in EDGES:
        for at in EDGE_TIMES:
            shorter = re.sub(r"\{(\w+)\}", lambda found: f"{parse_duration(found[1]) // 1_000_000 - 1}ms", text)
            (expected, _), (found, _) = theirs(prometheus, shorter, at), ours(samples, re.sub(r"[{}]", "", text), at)
            assert agree(expected, found), f"{text} at {at}: prometheus {expected}, ours {found}"


def test_every_function_covered_is_compared() -> None:
    texts = " ".join(text for texts in EXPRESSIONS.values() for text in texts)
    assert [name for name in sorted(FUNCTIONS) if f"{name}(" not in texts] == []
