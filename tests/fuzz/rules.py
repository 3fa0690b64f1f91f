"""Rule files, PromQL, templates and durations: what comes over the rulers' API and with every file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from alerting.gotemplates.execute import compile_template
from alerting.gotemplates.functions import ANNOTATION, NOTIFICATION, OF_EVALUATION, VARIABLES, of_evaluation
from alerting.gotemplates.values import Labels
from alerting.promql.expression import compile_expression
from alerting.promql.vectors import EvaluationError
from alerting.rules.book import RuleBook
from alerting.rules.engine import AlertEngine
from alerting.rules.samples import Samples
from alerting.rules.unit_tests import parse_series, parse_values
from components.durations import format_duration, parse_duration
from telemetry.errors import InputError
from telemetry.metrics import Point, Series
from tests.fuzz.target import Target

if TYPE_CHECKING:
    from collections.abc import Sequence

SECOND = 1_000_000_000
NOW = 1_700_000_000 * SECOND

RULES = {
    "groups": [
        {
            "name": "latency",
            "interval": "30s",
            "limit": 5,
            "query_offset": "1s",
            "labels": {"team": "shop"},
            "rules": [
                {"record": "job:up:sum", "expr": "sum by (job) (up)", "labels": {"a": "b"}},
                {
                    "alert": "Slow",
                    "expr": 'histogram_quantile(0.99, rate(http_bucket{service=~"c.*"}[5m])) > 1 or up == 0',
                    "for": "1m",
                    "keep_firing_for": "2m",
                    "labels": {"severity": "{{ $labels.job }}"},
                    "annotations": {"summary": '{{ $value | humanize }} {{ range query "up" }}{{ .Value }}{{ end }}'},
                },
            ],
        }
    ]
}
EXPRESSIONS = (
    "sum by (job) (rate(up[5m] offset 1m)) / ignoring(x) group_left(y) count(up) > bool 1",
    "topk(2, up) unless on(job) absent(down) @ 1700000000",
    'label_replace(up, "a", "$1-x", "job", "(.*)") and up{job!~"a|b"}',
    "quantile_over_time(0.5, max_over_time(up[1m])[10m:1m]) ^ -2 % 3",
    "predict_linear(up[1h], 3600) atan2 scalar(up) + vector(time())",
    "histogram_quantile(0.9, http_bucket)",
    'sort_desc(count_values("v", up)) or clamp(up, 0, 1) or timestamp(up) or day_of_month() or holt_winters(up[5m],0.1,0.1)',
)
TEMPLATES = (
    '{{ range $i, $x := .Alerts }}{{ if gt $i 1 }}{{ $x | printf "%5.2f %q %v" }}{{ else }}{{ break }}{{ end }}{{ end }}',
    '{{ define "a" }}{{ .x | humanize1024 }}{{ end }}{{ template "a" . }}{{- /* c */ -}}{{ with .y }}{{ . }}{{ end }}',
    '{{ $v := 1.5e3 }}{{ $v | humanizeDuration }} {{ reReplaceAll "(a+)" "$1b" "caat" }} {{ index .m "k" }} {{ len .m }}',
    "{{ humanizeTimestamp 1e9 }}{{ humanizePercentage -0.5 }}{{ toTime 1 }}{{ title `a b` }}{{ stripPort `h:1` }}",
)
PROMQL_WORDS = tuple(
    word.encode()
    for word in (
        "sum by(", "rate(", "[5m]", "[5m:1s]", "offset ", "@ end()", "@ 1e300", "group_left(", "bool ", "on(", "up", "{",
        "}", "=~", '"', "(", ")", "-", "^", "%", "/", "0x1f", "1e999", "Inf", "NaN", "or ", "unless ", "count_values(",
        "label_join(", "topk(", "absent_over_time(", "histogram_quantile(", "-1", "99999999999999999999", "{__name__=",
        "',", "[1y:1ms]", "vector(", "\\",
    )
)  # fmt: skip
TEMPLATE_WORDS = tuple(
    word.encode()
    for word in (
        "{{", "}}", "{{-", "-}}", "range ", "if ", "with ", "else ", "end", "define ", "template ", "block ", "break",
        "continue", "$x := ", "$", ".", "|", "(", ")", '"', "`", "printf ", "index ", "humanize ", "reReplaceAll ",
        "toTime ", "query ", "len ", "slice ", "1e999", "0x", "'a'", "%999d", "%-#0 x", "nil", "true", "and ", "not ",
        "eq ", "html ", "urlquery ", "join ",
    )
)  # fmt: skip


def samples() -> Samples:
    """A few series, a histogram among them."""
    kept = Samples()
    named: list[tuple[str, tuple[tuple[str, str], ...]]] = [("up", (("job", job), ("x", "1"))) for job in ("a", "b", "c")]
    named += [("http_bucket", (("le", le), ("service", "cart"))) for le in ("0.1", "1", "+Inf", "odd")]
    points = [
        Point(Series(name, labels, total=True), NOW - (40 - i) * 15 * SECOND, float(i * (n + 1)))
        for n, (name, labels) in enumerate(named)
        for i in range(40)
    ]
    kept.add(points)
    return kept


SAMPLES = samples()


def _text(data: bytes) -> str:
    """As the API reads a body."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InputError(str(error)) from None


def _expression(data: bytes) -> None:
    compile_expression(_text(data)).evaluate(SAMPLES, NOW)


def _rule_book(data: bytes) -> None:
    """A body of the rulers' API, and two evaluations of what it says."""
    engine = AlertEngine(samples=samples())
    book = RuleBook(engine)
    book.set("fuzz", _text(data))
    for time in (NOW, NOW + 30 * SECOND):
        engine.advance(time)
    fresh = RuleBook(AlertEngine(samples=Samples()))
    assert fresh.restore(book.snapshot()) == [], "what was accepted is refused after a restart"


def _query(_: str) -> Sequence[object]:
    return [{"Labels": Labels({"a": "b"}), "Value": 1.5}]


def _annotation(data: bytes) -> None:
    template = compile_template(_text(data), {*ANNOTATION, *OF_EVALUATION}, variables=VARIABLES)
    variables = {"$labels": Labels({"job": "a"}), "$value": 1.5, "$externalLabels": Labels({}), "$externalURL": "http://x/"}
    given: dict[str, object] = {
        "Alerts": [{"Labels": Labels({"job": "a"}), "Value": 1.5}] * 3,
        "x": 1,
        "m": Labels({"k": "v"}),
        "y": "z",
    }
    text = template.render(given, of_evaluation(_query, "http://x/y"), variables=variables)
    assert len(text) <= 65_537


def _notification(data: bytes) -> None:
    template = compile_template(_text(data), NOTIFICATION)
    alerts = [{"Labels": Labels({"alertname": "A"}), "Status": "firing"}] * 3
    template.render({"Alerts": alerts, "x": 1, "m": Labels({"k": "v"}), "y": "z"}, NOTIFICATION)


def _duration(data: bytes) -> None:
    duration = parse_duration(_text(data))
    millisecond = 1_000_000
    assert parse_duration(format_duration(duration)) == duration // millisecond * millisecond


def _unit_test(data: bytes) -> None:
    name, _, values = _text(data).partition("\n")
    parse_series(name)
    parse_values(values)


_FILES = (
    json.dumps(RULES).encode(),
    json.dumps(RULES["groups"][0]).encode(),
    b"name: a\nrules:\n- {alert: A, expr: up, for: 1m}\n",
)
YAML_WORDS = (
    b"&a ", b"*a", b"!!float ", b"<<: ", b"? ", b"- ", b": ", b"|", b">", b"{", b"[", b"\n  ", b"---\n", b"%YAML 1.1\n",
    b"!!python/object:os.system ", b"0o7", b"2001-01-01", b"\t", b"#", b"!!binary ", b"~", b"1e999", b".inf",
)  # fmt: skip
_ALLOWED = (InputError, EvaluationError)
TARGETS = (
    Target("promql", _expression, tuple(map(str.encode, EXPRESSIONS)), PROMQL_WORDS, 50e-6, 2000, _ALLOWED),
    Target("rule-files", _rule_book, _FILES, (*YAML_WORDS, *PROMQL_WORDS, *TEMPLATE_WORDS), 500e-6, 2000, _ALLOWED),
    Target("annotation-templates", _annotation, tuple(map(str.encode, TEMPLATES)), TEMPLATE_WORDS, 50e-6, 2000),
    Target("notification-templates", _notification, tuple(map(str.encode, TEMPLATES[:1])), TEMPLATE_WORDS, 50e-6, 2000),
    Target(
        "durations", _duration, (b"1h30m", b"1y2w3d4h5m6s7ms", b"0"), (b"y", b"ms", b"9" * 20, "٣".encode(), b"-", b"+", b".5s")
    ),
    Target(
        "series-notation",
        _unit_test,
        (b'up{a="b"}\n1 2+3x4 _x2 stale', b"{}\n-1-1x3"),
        (b"x", b"+", b"9" * 9, b"NaN", b"stale"),
    ),
)
