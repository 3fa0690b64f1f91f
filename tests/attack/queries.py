"""Questions that cost much, and questions that are not what they claim."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from urllib.parse import quote

from tests.attack.line import Line, must
from tests.attack.telemetry import spans

if TYPE_CHECKING:
    from pathlib import Path

    from tests.attack.bench import Bench
    from tests.attack.target import Answer, Product

SPANS = 60_000


def _accepted(own: Product, body: bytes) -> None:
    own.wait_for(lambda: own.export(body).status == 200, 120, "not accepted")


def large_questions_hold_no_writer_up(bench: Bench) -> str:
    """Twelve times `limit=10000` and sixteen sorts by an attribute at once over 60,000 spans, while telemetry goes on."""
    with bench.product() as own:
        for _ in range(SPANS // 2000):
            _accepted(own, spans("many", 2000, attributes=lambda i: {"i": i, "text": "x" * 200}))
        own.wait_for(lambda: own.status()["spans_stored"] >= SPANS, 180, "not stored")
        asks = ["/api/v1/find?kind=span&limit=10000&descending=true"] * 12
        asks += ["/api/v1/find?kind=span&limit=10&sort=attributes.i&descending=true"] * 16
        found: list[Answer] = []
        with own.cost() as cost:
            threads = [
                threading.Thread(target=lambda ask=ask: found.append(own.get(ask, timeout=120, headers=own.authorised)))
                for ask in asks
            ]
            for thread in threads:
                thread.start()
            slowest, written = 0.0, own.status()["spans_stored"]
            while any(thread.is_alive() for thread in threads):
                answer = own.export(spans("meanwhile", 1))
                must(answer.status == 200, f"an export was answered {answer.status}")
                slowest = max(slowest, answer.seconds)
            for thread in threads:
                thread.join()
        written = own.status()["spans_stored"] - written
        statuses = sorted({answer.status for answer in found})
        must(set(statuses) <= {200, 400, 413, 429, 503, 504}, f"{statuses}")
        must(cost.grown_mib < 700, str(cost))
        must(slowest < 10, f"an export took {slowest:.1f} s meanwhile")
    return f"{statuses}, export at most {slowest:.1f} s, {written} stored meanwhile, {cost}"


def _files(folder: Path) -> set[str]:
    """Names of what lies in a folder, but for DuckDB's own, which come and go with each checkpoint."""
    return {path.name for path in folder.iterdir() if path.suffix not in {".wal", ".tmp"}}


def no_question_reaches_the_database_as_code(bench: Bench) -> str:
    """Quotes, comments, functions and paths in every parameter of the API."""
    up = bench.up
    before = _files(up.data)
    texts = (
        "' OR 1=1 --", '"; DROP TABLE span; --', "x') UNION SELECT * FROM read_csv('/etc/passwd') --", "$.a", "a[0]", "*", "\\",
        "a" * 5000, "%00", "\u2028", "attributes.'x'", "read_text('/etc/passwd')", "../../etc/passwd", "{{7*7}}", "${jndi:ldap://x}",
    )  # fmt: skip
    statuses = set()
    for text in texts:
        for query in ("kind=span&where={}:x", "kind=span&where=name:{}", "kind=span&sort={}", "kind={}", "kind=span&limit={}"):
            answer = up.get(f"/api/v1/find?{query.format(quote(text, safe=''))}", headers=up.authorised)
            must(answer.status < 500, f"{query.format(text)[:60]}: {answer.status} {answer.text[:80]}")
            must("root:x:0" not in answer.text, f"{query.format(text)[:60]} read a file")
            statuses.add(answer.status)
        for path in (
            f"/api/v1/traces/{quote(text, safe='')}",
            f"/assets/{quote(text, safe='/')}",
            f"/api/v2/alerts?filter={quote(text)}",
        ):
            answer = up.get(path, headers=up.authorised)
            must(answer.status < 500 and "root:x:0" not in answer.text, f"{path[:60]}: {answer.status}")
    after = _files(up.data)
    must(before == after, f"files came or went: {sorted(before ^ after)}")
    return f"{len(texts) * 8} questions: {sorted(statuses)}"


def a_question_without_bounds_is_refused(bench: Bench) -> str:
    """Limits, times and numbers of conditions past their ranges; a target of a megabyte."""
    up = bench.up
    asks = (
        "kind=span&limit=10001", "kind=span&limit=-1", "kind=span&limit=1e9", "kind=span&since=-1", "kind=nothing",
        "kind=span&until=9223372036854775808", "kind=span&" + "&".join(["where=a:b"] * 30), "kind=span&unknown=1",
        "kind=span&limit=" + "9" * 10_000,
    )  # fmt: skip
    statuses = [up.get(f"/api/v1/find?{ask}", headers=up.authorised).status for ask in asks]
    must(set(statuses) == {400}, f"{statuses}")
    long = up.get("/api/v1/find?kind=span&where=" + "a" * (1 << 20), headers=up.authorised).status
    must(long in {0, 400, 414, 431}, f"a target of a megabyte: {long}")
    return f"{len(asks)} refused with 400, a long one with {long}"


def an_expression_cannot_hold_the_rules_up(bench: Bench) -> str:
    """Rules with quotes without end, nested counts, subqueries a year long and regular expressions of powers."""
    up = bench.up
    rules = (
        b'annotations: {a: "{{' + b"'" * 3 + b"`" * 99 + b'"}, expr: up',
        b"annotations: {a: '{{" + b'"' * 99 + b"'}, expr: up",
        b"expr: 'max_over_time(up[1y:1ms])'",
        b"expr: '" + b"count(" * 99 + b"up" + b")" * 99 + b"'",
        b"expr: 'up{a=~\"(((((a{1,100}){1,100}){1,100})*)*)*\"}'",
        b'expr: \'label_replace(up, "a", "$1", "b", "' + b"(.*)" * 200 + b"\")'",
        b"expr: '" + b'"' + b'\\"' * 4000 + b"'",
        b"for: " + b"1:" * 100_000 + b"1\n  expr: up",
    )
    statuses = []
    with up.cost() as cost:
        for i, rule in enumerate(rules):
            body = b"name: slow\ninterval: 1s\nrules:\n- {alert: A, " + rule + b"}\n"
            answer = up.post(f"/api/v1/rules/slow{i}", body, "application/yaml", headers=up.authorised, timeout=60)
            statuses.append(answer.status)
            must(answer.status in {202, 400}, f"{rule[:40]!r}: {answer.status} {answer.text[:80]}")
            must(answer.seconds < 15, f"{rule[:40]!r} took {answer.seconds:.1f} s")
            must(up.get("/healthz", timeout=10).status == 200, f"{rule[:40]!r} holds the process up")
    for i in range(len(rules)):
        up.request("DELETE", f"/api/v1/rules/slow{i}", b"", up.console, up.authorised)
    must(cost.cpu < 20, str(cost))
    return f"{statuses}, {cost}"


LINES = (
    Line("queries", large_questions_hold_no_writer_up),
    Line("queries", no_question_reaches_the_database_as_code, quick=True),
    Line("queries", a_question_without_bounds_is_refused, quick=True),
    Line("queries", an_expression_cannot_hold_the_rules_up, quick=True),
)
