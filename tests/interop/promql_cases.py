"""Expressions on which our answers are compared with Prometheus', by what they are about."""

from __future__ import annotations

from alerting.promql.compiler import FUNCTIONS

START = 1_700_000_000
"""When the samples begin, in seconds; not on a multiple of any step."""

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
        'requests{service=~".+"}',
        'memory{service=~"käse.*"}',
    ],
    "offset": ["memory offset 7m", "rate(requests[5m] offset 10m)", "memory offset -3m", "sum(memory offset 1m)"],
    "@": [
        f"memory @ {START + 1000}",
        f"rate(requests[3m] @ {START + 1500}.5)",
        "memory @ end()",
        "memory @ start() offset 2m",
        f"rate(requests[3m] @ {START + 1500} offset 1m)",
    ],
    "subquery": [
        "max_over_time(rate(requests[2m])[10m:1m])",
        "avg_over_time(memory[7m:17s])",
        "sum_over_time(steady[5m:])",
        "min_over_time((memory > 0)[10m:30s] offset 2m)",
        f"rate(requests[10m:30s] @ {START + 2000})",
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
    ],
    "absent": [
        "absent(none)",
        'absent(none{a="b",c=~"d",e!="f"})',
        "absent(memory)",
        "absent(sum(none))",
        'absent(none{a="b",a="c",d="e"})',
    ],
    "absent_over_time": ['absent_over_time(none{a="b"}[5m])', "absent_over_time(memory[5m])"],
    "predict_linear": ["predict_linear(memory[5m], 600)", "predict_linear(steady[5m], 60)", "predict_linear(odd[5m], -60)"],
    "histogram_quantile": [
        *(f"histogram_quantile({q}, rate(latency_bucket[5m]))" for q in (0, 0.1, 0.5, 0.9, 0.99, 1, -1, 2)),
        "histogram_quantile(0.9, sum by (le) (rate(latency_bucket[5m])))",
        "histogram_quantile(0.5, latency_bucket)",
        "histogram_quantile(0.5, memory)",
        'histogram_quantile(0.5, latency_bucket{le!="+Inf"})',
        "histogram_quantile(scalar(sum(steady)) / 20, sum by (le, service) (latency_bucket))",
    ],
    **{name: [f"{name}(memory)", f"{name}(odd)", f"{name}(steady / 4)"] for name in MATHEMATICS},
    **{name: [f"{name}()", f"{name}(epoch)", f"{name}(vector(1709164800))", f"{name}(-epoch)"] for name in CALENDAR},
    "round": ["round(memory)", "round(memory, 0.1)", "round(memory, 5)", "round(odd)", "round(-memory, 0.25)"],
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
    "sort": ["sort(memory)", "sort_desc(memory)", "sort(odd)"],
    "label_replace": [
        'label_replace(memory, "to", "$1-x", "service", "(.).*")',
        'label_replace(memory, "to", "${first}$$", "service", "(?P<first>c).*")',
        'label_replace(memory, "service", "", "service", "cart")',
        'label_replace(memory, "to", "x", "none", "")',
        'label_replace(requests, "service", "same", "service", ".*")',
        'label_replace(memory, "to", "$1y", "service", "(.*)")',
    ],
    "label_join": [
        'label_join(requests, "both", "-", "service", "status")',
        'label_join(requests, "service", ",")',
        'label_join(requests, "both", "", "none", "status")',
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
    ],
    "quantile": [
        "quantile(0.9, requests)",
        "quantile by (status) (0.25, requests)",
        "quantile(1.5, requests)",
        "quantile(0.5, odd)",
    ],
    "count_values": [
        'count_values("v", steady)',
        'count_values by (zone) ("v", steady)',
        'count_values("service", steady / 7)',
        'count_values("v", odd > 1 or odd < 1)',
        'count_values("v", epoch * 1e15)',
        'count_values("v", steady / 1e9)',
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
    ],
    "on, ignoring": [
        "memory / on(service) odd",
        'requests{status="500"} / ignoring(status) requests{status="200"}',
        "memory + steady",
        "memory + ignoring(zone) steady",
        "requests + requests",
        "memory + on() memory",
        "requests + on(service) memory",
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
    ],
    "as in rule files": [
        'sum(rate(requests{status=~"5.."}[5m])) by (service) / sum(rate(requests[5m])) by (service) > 0.1',
        "histogram_quantile(0.99, sum(rate(latency_bucket[5m])) by (le, service)) > 0.5",
        'predict_linear(memory[30m], 4 * 3600) < 0 and on(service) rate(requests{status="200"}[5m]) > 0',
        "(time() - timestamp(memory)) > 5",
        "avg_over_time(memory[30m]) / avg_over_time(memory[30m] offset 10m) > 1.5",
        "count(memory > 0) / count(memory) * 100 >= bool 50",
        "abs(memory - avg_over_time(memory[20m])) > 3 * stddev_over_time(memory[20m])",
        'label_replace(topk(1, sum by (service) (increase(requests[10m]))), "culprit", "$1", "service", "(.*)")',
    ],
}
TIMES = [START + 30, START + 900, START + 1777, START + 3333.25, START + 3600 + 240]
