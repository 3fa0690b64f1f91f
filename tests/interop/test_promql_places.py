"""Where a mistake in an expression is: promtool names the same character."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from alerting.promql.expression import PromqlError, compile_expression

if TYPE_CHECKING:
    from pathlib import Path

PROMTOOL = shutil.which("promtool")
pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not PROMTOOL, reason="no promtool on the PATH (Debian: prometheus)"),
]

WRONG = [
    "ratee(foo[5m])",
    "sum(rate(foo[5m])) + ratee(foo[5m])",
    "sum by (x (foo)",
    "rate(foo)",
    "abs(abs(abs(rate(foo))))",
    "sum(foo) + rate(bar)",
    'foo{a=~"("}',
    'foo{a="b", c=~"x(", d="e"}',
    "foo + bar[5m] +",
    "sum(rate(foo[5m])) by (a",
    "rate(foo[5x])",
    "histogram_quantile(foo)",
    "1 + histogram_quantile(foo)",
    '1 + "a"',
    "foo{a b}",
    "foo{a=b}",
    "foo[5m",
    "foo $ bar",
    "clamp(foo,1)",
    "foo(",
    "up == bool",
    "topk(foo)",
    "sum(foo[5m])",
    "quantile('a', foo)",
    'foo{a="b"',
    'foo{a="b',
    "sum(foo) by a",
    "foo ! bar",
    "foo bar",
    "foo @ x",
    "foo offset bar",
    "foo > 1 and 1 > 2",
    'sum(foo) + {a=""}',
    "foo }",
    "foo +* bar",
    "(foo",
    "max(foo) bool",
    "label_replace(foo, 'a')",
    "foo and ignoring a bar",
    "sum(rate(http_requests_total{code=~'5..'}[5m])) by (service) / sum(rate(http_requests_total[5m]) by (service) > 0.05",
]


def test_mistakes_are_where_promtool_finds_them(tmp_path: Path) -> None:
    rules = "\n".join(f"  - record: r{i}\n    expr: |-\n      {text}" for i, text in enumerate(WRONG))
    file = tmp_path / "rules.yml"
    file.write_text(f"groups:\n- name: g\n  rules:\n{rules}\n")
    done = subprocess.run(
        [str(PROMTOOL), "check", "rules", str(file)], capture_output=True, text=True, check=False, timeout=120
    )
    theirs = {
        int(i): int(column)
        for i, column in re.findall(r'"r(\d+)".*?expression: 1:(\d+): parse error', done.stdout + done.stderr)
    }
    assert theirs.keys() == set(range(len(WRONG))), done.stderr[:2000]
    ours = {}
    for i, text in enumerate(WRONG):
        with pytest.raises(PromqlError) as caught:
            compile_expression(text)
        assert caught.value.at is not None
        ours[i] = caught.value.at + 1
    assert {WRONG[i]: column for i, column in ours.items()} == {WRONG[i]: column for i, column in theirs.items()}
