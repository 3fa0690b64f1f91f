"""Expressions on which our answers are compared with Prometheus', by what they are about.

Ours are those of Prometheus 3, the oracle is a 2.42. They differ for a sample that is exactly as old as a range is wide, so
these times and widths have none; `EDGES` has them, with a width for the oracle that says the same. They differ for a dot in
a regular expression before a line's end, so those here are written `(?s)`. And they differ in where a counter is taken to have
begun: see `reaching_back_as_242`.
"""

from __future__ import annotations

import pytest

from alerting.promql import range_functions
from alerting.promql.compiler import FUNCTIONS

START = 1_700_000_000
"""When the samples begin, in seconds; not on a multiple of any step. Those without jitter are 15 s apart."""


@pytest.fixture
def reaching_back_as_242(monkeypatch: pytest.MonkeyPatch) -> None:
    """`rate` and `increase` begin where the oracle's do; where ours begin is tested in test_range_functions.py."""

    def reach_back(to_start: float, to_zero: float, interval: float, threshold: float) -> float:
        nearest = min(to_start, to_zero)
        return nearest if nearest < threshold else interval / 2

    monkeypatch.setattr(range_functions, "lookback", reach_back)


OVER_TIME = sorted(name for name in FUNCTIONS if name.endswith("_over_time") and not name.startswith(("quantile", "absent")))
RANGES = ["rate", "irate", "increase", "delta", "idelta", "deriv", "changes", "resets", *OVER_TIME]
MATHEMATICS = [
    "abs",
    "ceil",
    "floor",
    "exp",
    "ln",
    "log2",
    "log10",
    "sqrt",
    "sgn",
    "deg",
    "rad",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
    "tanh",
    "asinh",
    "acosh",
    "atanh",
]
CALENDAR = ["minute", "hour", "day_of_week", "day_of_month", "day_of_year", "days_in_month", "month", "year"]
AGGREGATIONS = ["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"]
EXPRESSIONS: dict[str, list[str]] = {
    "selector": [
        "memory",
        'memory{service="cart"}',
        'memory{service!="cart"}',
        'requests{service=~"c.*|ship",status!~"5.."}',
        '{__name__=~"mem.*|steady"}',
        'memory{service="none"}',
        'requests{zone=""}',
        'requests{service=~"(?s).+"}',
        'memory{service=~"(?s)käse.*"}',
        'memory{service!~"(?s).*k.*"}',
        'requests{service=~"cart|",zone=~""}',
        'requests{service=~"(?i)CART"}',
        'requests{service=~"(?is)KÄSE.*|c{,3}"}',
        '{__name__="memory",service!=""}',
        'memory{service=~"[^a-m].+"}',
    ],
    "offset": [
        "memory offset 7m",
        "rate(requests[5m] offset 10m)",
        "memory offset -3m",
        "sum(memory offset 1m)",
        "memory offset 1h3m",
        "delta(memory[3m] offset -2m)",
        "memory - memory offset 15s",
    ],
    "@": [
        f"memory @ {START + 1000}",
        f"rate(requests[3m] @ {START + 1500}.5)",
        "memory @ end()",
        "memory @ start() offset 2m",
        f"rate(requests[3m] @ {START + 1500}.003 offset 1m)",
        f"rate(requests[3m] offset 1m @ {START + 1500}.003)",
        f"memory @ {START + 1000} offset -5m",
        f"sum_over_time(memory[4m] @ {START + 2000}.001) / on(service) count_over_time(memory[4m])",
        f"timestamp(memory @ {START + 1000})",
        f"memory @ {START - 1}",
        f"memory @ {START + 9999}",
        f"max_over_time(memory[5m:30s] @ {START + 1800}.002 offset 2m)",
        f"topk(1, memory @ {START + 1000}) or memory @ end()",
    ],
    "subquery": [
        "max_over_time(rate(requests[2m])[10m:1m])",
        "avg_over_time(memory[7m:17s])",
        "sum_over_time(steady[5m:])",
        "min_over_time((memory > 0)[10m:30s] offset 2m)",
        f"rate(requests[10m:30s] @ {START + 2000}.001)",
        "max_over_time(max_over_time(memory[170s:30s])[10m:2m])",
        "quantile_over_time(0.5, (memory > 0)[9m:45s])",
        "absent_over_time((memory > 1e12)[5m:30s])",
        "count_over_time((odd == odd)[8m:10s])",
        "deriv(sum(requests)[10m:1m])",
        "increase(sum by (service) (requests)[10m:30s])",
        "last_over_time(vector(time())[5m:50s])",
        f"avg_over_time((memory @ {START + 1000})[5m:1m])",
        "sum_over_time(steady[5m:1h])",
        "stddev_over_time((memory offset 5m)[5m:20s])",
    ],
    **{
        name: [
            f"{name}({metric}[{width}])" for metric in ("requests", "memory", "odd", "steady") for width in ("20s", "1m", "5m")
        ]
        + [f'sum by (service) ({name}(requests{{status="500"}}[4m]))']
        for name in RANGES
    },
    "quantile_over_time": [
        "quantile_over_time(0.9, memory[5m])",
        "quantile_over_time(-1, memory[5m])",
        "quantile_over_time(2, memory[5m])",
        "quantile_over_time(0.5, odd[3m])",
        "quantile_over_time(NaN, memory[5m])",
        "quantile_over_time(scalar(memory{service='cart'}), memory[5m])",
        "quantile_over_time(1, steady[1m])",
        "quantile_over_time(0, odd[5m])",
    ],
    "absent": [
        "absent(none)",
        'absent(none{a="b",c=~"d",e!="f"})',
        "absent(memory)",
        "absent(sum(none))",
        'absent(none{a="b",a="c",d="e"})',
        "absent(memory > 1e12)",
        'absent(none{a="b"} or none)',
        'absent({a="b"})',
        "absent(absent(memory))",
        'absent(sum(none{a="b"}))',
        "absent(memory offset 2h)",
    ],
    "absent_over_time": [
        'absent_over_time(none{a="b"}[5m])',
        "absent_over_time(memory[5m])",
        "absent_over_time(memory[1s])",
        'absent_over_time(memory{service="cart"}[5m] offset 3h)',
        'absent_over_time(none{a=~"b"}[5m])',
        'absent_over_time(none{a="b"}[5m:1m])',
        'absent_over_time(none{a="b",a="c"}[5m])',
        "absent_over_time(odd[5m])",
    ],
    "predict_linear": ["predict_linear(memory[5m], 600)", "predict_linear(steady[5m], 60)", "predict_linear(odd[5m], -60)"],
    "histogram_quantile": [
        *(f"histogram_quantile({q}, rate(latency_bucket[5m]))" for q in (0, 0.1, 0.5, 0.9, 0.99, 1, -1, 2)),
        "histogram_quantile(0.9, sum by (le) (rate(latency_bucket[5m])))",
        "histogram_quantile(0.5, latency_bucket)",
        "histogram_quantile(0.5, memory)",
        'histogram_quantile(0.5, latency_bucket{le!="+Inf"})',
        'histogram_quantile(0.5, latency_bucket{le="+Inf"})',
        'histogram_quantile(0.5, latency_bucket{le=~"0.1|.Inf"})',
        "histogram_quantile(0.5, latency_bucket * 0)",
        "histogram_quantile(0.5, -latency_bucket)",
        "histogram_quantile(NaN, latency_bucket)",
        "histogram_quantile(Inf, latency_bucket)",
        "histogram_quantile(0.5, latency_bucket * NaN)",
        "histogram_quantile(0.5, latency_bucket * Inf)",
        'histogram_quantile(0.5, label_replace(latency_bucket, "le", "x$1", "le", "(0.1)"))',
        'histogram_quantile(0.5, label_replace(latency_bucket, "le", "-$1", "le", "(.*)"))',
        'histogram_quantile(0.3, label_replace(latency_bucket{service=~"cart|pay"}, "service", "one", "le", "0.5"))',
        'histogram_quantile(0.9, sum by (le) (latency_bucket) or label_replace(vector(1e9), "le", "0.05", "", ""))',
        "histogram_quantile(0.5, sum by (service) (latency_bucket))",
        "histogram_quantile(0.5, none)",
        "histogram_quantile(0.95, increase(latency_bucket[20s]))",
        "histogram_quantile(scalar(sum(steady)) / 20, sum by (le, service) (latency_bucket))",
    ],
    **{name: [f"{name}(memory)", f"{name}(odd)", f"{name}(steady / 4)"] for name in MATHEMATICS},
    **{name: [f"{name}()", f"{name}(epoch)", f"{name}(vector(1709164800))", f"{name}(-epoch)"] for name in CALENDAR},
    "round": [
        "round(memory)",
        "round(memory, 0.1)",
        "round(memory, 5)",
        "round(odd)",
        "round(-memory, 0.25)",
        "round(odd, Inf)",
        "round(odd, 0)",
    ],
    "clamp": ["clamp(memory, -1, 1)", "clamp(odd, 1, 0)", "clamp_min(odd, 0.5)", "clamp_max(memory, 3)", "clamp(odd, -2, 2)"],
    "time, vector, scalar, pi": [
        "time()",
        "vector(3)",
        "scalar(memory)",
        'scalar(memory{service="cart"})',
        "pi()",
        "vector(time()) - 5",
        "vector(scalar(sum(memory)) > bool 3)",
    ],
    "timestamp": [
        "timestamp(memory)",
        "timestamp(memory offset 3m)",
        "timestamp(sum by (service) (requests))",
        "time() - timestamp(requests)",
    ],
    "sort": ["sort(memory)", "sort_desc(memory)", "sort(odd)", "sort_desc(odd)", "sort(none)"],
    "label_replace": [
        'label_replace(memory, "to", "$1-x", "service", "(?s)(.).*")',
        'label_replace(memory, "to", "${first}$$", "service", "(?P<first>c).*")',
        'label_replace(memory, "service", "", "service", "cart")',
        'label_replace(memory, "to", "x", "none", "")',
        'label_replace(requests, "service", "same", "service", ".*")',
        'label_replace(memory, "to", "$1y", "service", "(?s)(.*)")',
        'label_replace(memory, "to", "x", "service", "(")',
        'label_replace(memory, "to", "x", "service", "*")',
        'label_replace(memory, "0to", "x", "service", ".*")',
        'label_replace(memory, "to", "$2|$0|$9|$", "service", "(c)(.*)")',
        'label_replace(memory, "__name__", "renamed", "service", "cart")',
        'label_replace(memory, "to", "$1", "none", "(.*)x?")',
        'label_replace(memory, "service", "all", "service", "(?s).*")',
        'label_replace(sum(memory), "to", "x", "", "")',
    ],
    "label_join": [
        'label_join(requests, "both", "-", "service", "status")',
        'label_join(requests, "service", ",")',
        'label_join(requests, "both", "", "none", "status")',
        'label_join(requests, "both", "-", "service", "service")',
        'label_join(requests, "b-c", "-", "service")',
        'label_join(memory, "__name__", "_", "__name__", "service")',
        'label_join(requests, "status", "", "none")',
        'label_join(requests, "both", "ü", "service", "", "status")',
    ],
    **{
        op: [
            f"{op}({inner}){by}"
            for inner in ("requests", "odd", "rate(requests[5m])", "none")
            for by in ("", " by (service)", " without (status)", " by (none)", " by (service, status)")
        ]
        for op in AGGREGATIONS
    },
    "topk, bottomk": [
        "topk(3, requests)",
        "bottomk(2, requests)",
        "topk by (service) (1, requests)",
        "topk(2, odd)",
        "bottomk without (service) (1, memory)",
        "topk(0, memory)",
        "topk(100, memory)",
        "topk(scalar(sum(steady))/7, requests)",
        "topk(NaN, memory)",
        "topk(Inf, memory)",
        "topk(-1, memory)",
        "topk(1e30, memory)",
        "topk(1.9, memory)",
        "bottomk(3, odd)",
        "topk by (status) (1, rate(requests[5m]))",
        "count(topk(2, steady))",
        "count(topk(3, odd * NaN))",
        "topk(2, none)",
    ],
    "quantile": [
        "quantile(0.9, requests)",
        "quantile by (status) (0.25, requests)",
        "quantile(1.5, requests)",
        "quantile(0.5, odd)",
        "quantile(NaN, requests)",
        "quantile(-0.1, requests)",
        "quantile without (status) (0.5, requests)",
        "quantile(scalar(none), requests)",
        "quantile(0.5, none)",
        "quantile(1, odd * Inf)",
    ],
    "count_values": [
        'count_values("v", steady)',
        'count_values by (zone) ("v", steady)',
        'count_values("service", steady / 7)',
        'count_values("v", odd > 1 or odd < 1)',
        'count_values("v", epoch * 1e15)',
        'count_values("v", steady / 1e9)',
        'count_values("v", odd * NaN)',
        'count_values("v", odd * Inf)',
        'count_values without (service) ("zone", steady)',
        'count_values("0v", steady)',
        'count_values("v", none)',
        'count_values("v", memory > bool 0)',
    ],
    "arithmetic": [f"memory {op} 3" for op in "+-*/%^"]
    + [f"2 {op} odd" for op in "+-*/%^"]
    + [f"odd {op} on(service) steady" for op in ("+", "-", "*", "/", "%", "^", "atan2")]
    + ["-memory", "+memory", "-odd ^ 2", "1 + 2 * 3 ^ 2 % 4", "1 / 0", "-1 % 0", "(-8) ^ 0.5", "2 ^ 3 ^ 2", "7 % -4"],
    "comparison": [f"memory {op} 1" for op in ("==", "!=", ">", "<", ">=", "<=")]
    + [f"1 {op} memory" for op in (">", "<")]
    + [f"memory {op} bool 1" for op in ("==", "!=", ">", "<", ">=", "<=")]
    + [
        "memory > on(service) odd",
        "memory >= bool on(service) odd",
        "1 > bool 2",
        "odd == odd",
        "odd != odd",
        "steady == 3.5",
        "memory > ignoring(zone) steady",
        "NaN == bool NaN",
        "NaN != bool NaN",
        "Inf > bool -Inf",
        "odd > NaN",
        "odd != NaN",
        "odd <= Inf",
        "odd == bool on(service) odd offset 1m",
        "1 < 2",
        "memory > 1 < 100",
    ],
    "on, ignoring": [
        "memory / on(service) odd",
        'requests{status="500"} / ignoring(status) requests{status="200"}',
        "memory + steady",
        "memory + ignoring(zone) steady",
        "requests + requests",
        "memory + on() memory",
        "requests + on(service) memory",
        "memory + on(service) requests",
        "memory + on(none) odd",
        "memory{service='cart'} + on() odd{service='pay'}",
        "sum(memory) + ignoring(a) sum(odd)",
        "sum by (service) (memory) / sum by (service, zone) (steady)",
        "steady ^ on(service, zone) steady",
        "none + memory",
    ],
    "group_left, group_right": [
        "requests * on(service) group_left(version) info",
        "requests * on(service) group_left(version, team) info",
        "info * on(service) group_right(version) requests",
        "requests / on(service) group_left() sum by (service) (requests)",
        "requests > on(service) group_left() memory",
        "requests > bool on(service) group_left memory",
        "memory < on(service) group_right() requests",
        "requests * on(service) group_left() requests",
        "requests / ignoring(status) group_left sum without (status) (requests)",
        "info * on(service) group_left(status) requests",
        'requests * on(service) group_left(service) label_replace(info, "x", "$1", "service", "(.*)")',
        "requests * on(service) group_right() memory",
        "requests * on(status) group_left() requests",
        "requests == on(service) group_left() requests",
        "requests - on(service) group_left(version) info offset 1m",
        "requests * ignoring(status) group_left(team) info",
        'requests * on(service) group_left(status) label_replace(info, "status", "$1", "team", "(.*)")',
        "requests and on(service) group_left() memory",
        "memory * on(service) group_left() none",
    ],
    "and, or, unless": [
        "memory and odd",
        "memory and on(service) info",
        "memory unless on(service) info",
        "memory or steady",
        "info or on(service) memory",
        "requests and ignoring(status, le) latency_bucket",
        "memory unless memory",
        "memory or on() requests",
        "(memory > 1) or (memory < -1) unless on(service) info",
        "none or vector(1)",
        "requests and memory",
        "requests and on() memory",
        "requests and on(service) requests",
        "requests or on(service) requests",
        "requests unless on(service) requests",
        "requests or ignoring(status) requests",
        'requests{status="500"} or ignoring(status) requests{status="200"}',
        "memory and on(none) none",
        "memory unless on(none) none",
        "memory and vector(1)",
        "memory or vector(1)",
        "memory or memory offset 5m",
        "odd and odd > 0 or odd unless odd < 0",
        "sum(none) or sum(memory)",
        "memory and bool odd",
        "memory and 1",
    ],
    "as in rule files": [
        'sum(rate(requests{status=~"5.."}[5m])) by (service) / sum(rate(requests[5m])) by (service) > 0.1',
        "histogram_quantile(0.99, sum(rate(latency_bucket[5m])) by (le, service)) > 0.5",
        'predict_linear(memory[30m], 4 * 3600) < 0 and on(service) rate(requests{status="200"}[5m]) > 0',
        "(time() - timestamp(memory)) > 5",
        "avg_over_time(memory[30m]) / avg_over_time(memory[30m] offset 10m) > 1.5",
        "count(memory > 0) / count(memory) * 100 >= bool 50",
        "abs(memory - avg_over_time(memory[20m])) > 3 * stddev_over_time(memory[20m])",
        'label_replace(topk(1, sum by (service) (increase(requests[10m]))), "culprit", "$1", "service", "(?s)(.*)")',
    ],
}
TIMES = [START + 30.005, START + 900.005, START + 1777, START + 3333.251, START + 3600 + 240.005]

EDGES = [
    *(f"{name}({metric}[{{1m}}])" for name in ("changes", "resets", *OVER_TIME) for metric in ("steady", "odd", "epoch")),
    "quantile_over_time(0.3, epoch[{1m}])",
    "sum by (service) (count_over_time(odd[{15s}]))",
    "count_over_time(steady[{15s}] offset 1m)",
    "count_over_time(steady[{2m}:30s])",
    "sum_over_time((time() * steady)[{150s}:75s])",
    "count_over_time(sum(count_over_time(steady[{1m}]))[{5m}:15s])",
    "max_over_time(timestamp(steady)[{5m}:15s] offset 30s)",
]
"""At times and of widths that have samples on their edges; widths are between braces."""
EDGE_TIMES = [START + 900, START + 1800]
"""Multiples of 15 s from the beginning, and of the steps of the subqueries but for START itself."""
