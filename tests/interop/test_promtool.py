"""Staleness, which blocks of samples cannot hold: promtool's unit tests must pass with what we answer."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from alerting.promql.expression import compile_expression
from alerting.promql.vectors import NAME, labels_of
from alerting.rules.files import load_rules
from alerting.rules.samples import Samples
from components.durations import SECOND
from telemetry.metrics import STALE
from tests.interop.promql_cases import reaching_back_as_242  # noqa: F401  # a fixture

if TYPE_CHECKING:
    from pathlib import Path

PROMTOOL = shutil.which("promtool")
pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not PROMTOOL, reason="no promtool on the PATH (Debian: prometheus)"),
]

STEP = 15
SERIES = {
    ("x", "a"): "1 2 3 stale stale 7 _ _ 9 stale",
    ("x", "b"): "5 _ _ _ _ 6 4 stale 1 2",
    ("x", "c"): "stale 1 _ stale _ _ 3 3 3 3",
    ("y", "a"): "_ _ 1 1 1 stale",
}
EXPRESSIONS = [
    "x",
    "sum(x)",
    "count by (name) (x)",
    "absent(x)",
    'absent(y{name="a"})',
    "x offset 30s",
    "timestamp(x)",
    "x * on(name) y",
    "x unless y",
    "y or x",
    "topk(1, x)",
    *(
        f"{name}(x[{width}])"
        for name in (
            "rate", "increase", "irate", "delta", "deriv", "changes", "resets", "count_over_time", "last_over_time",
            "sum_over_time", "absent_over_time", "present_over_time", "stddev_over_time",
        )
        for width in ("40s", "70s")
    ),
    "max_over_time(x[50s:10s])",
    "count_over_time(sum(x)[1m:5s])",
    "absent_over_time(y[20s])",
]  # fmt: skip
TIMES = [7 * i for i in range(1, 31) if 7 * i % 5]
"""Seconds at which no sample is as old as a range is wide: there this promtool, a 2.42, and we differ."""


@pytest.mark.usefixtures("reaching_back_as_242")
def test_stale_series_are_gone_as_for_promtool(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    samples = Samples()
    for (metric, name), text in SERIES.items():
        for i, value in enumerate(text.split()):
            if value != "_":
                number = STALE if value == "stale" else float(value)
                samples.append(labels_of({NAME: metric, "name": name}), i * STEP * SECOND, number)
    tests, elements = [], 0
    for text in EXPRESSIONS:
        for at in TIMES:
            found = compile_expression(text).evaluate(samples, at * SECOND)
            assert not any(math.isnan(value) for _, value in found), "no stale marker is ever an answer"
            elements += len(found)
            tests.append({"expr": text, "eval_time": f"{at}s", "exp_samples": [_sample(*element) for element in found]})
    series = [{"series": f'{metric}{{name="{name}"}}', "values": text} for (metric, name), text in SERIES.items()]
    path = tmp_path / "test.yml"
    path.write_text(json.dumps({"tests": [{"interval": f"{STEP}s", "input_series": series, "promql_expr_test": tests}]}))
    done = subprocess.run([str(PROMTOOL), "test", "rules", str(path)], capture_output=True, text=True, check=False)
    with capsys.disabled():
        print(f"\nstaleness against promtool: {len(tests)} cases, {elements} elements, exit code {done.returncode}")  # noqa: T201  # the figures are the point
    assert done.returncode == 0, (done.stdout + done.stderr)[:3000]


def _sample(labels: tuple[tuple[str, str], ...], value: float) -> dict[str, object]:
    name = dict(labels).get(NAME, "")
    pairs = ",".join(f'{key}="{text}"' for key, text in labels if key != NAME)
    return {"labels": f"{name}{{{pairs}}}", "value": value}


FIRST = "groups: [{name: a, rules: [{record: x, expr: vector(1)}]}]\n"


@pytest.mark.parametrize(
    "rest", ["", "---\n", "---\ngroups: [{name: b, rules: [{record: y, expr: 'vector('}]}]\n", "---\nnonsense: [\n"]
)
def test_of_a_file_of_several_documents_the_first_is_read_as_promtool_reads_it(tmp_path: Path, rest: str) -> None:
    file = tmp_path / "rules.yml"
    file.write_text(FIRST + rest)
    checked = subprocess.run([str(PROMTOOL), "check", "rules", str(file)], capture_output=True, text=True, check=False)
    assert (checked.returncode, "1 rules found" in checked.stdout) == (0, True)
    assert [rule.name for group in load_rules([file]) for rule in group.rules] == ["x"]
