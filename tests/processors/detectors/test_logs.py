from __future__ import annotations

import json
import random

import pytest

from processors.detectors import logs
from processors.detectors.earlier_logs import upgraded
from processors.detectors.log_windows import MAX_OPEN, LogSource, LogWindow, LogWindows
from telemetry.environment import with_environment
from telemetry.errors import InputError
from telemetry.findings import Anomaly, AnomalyKind
from telemetry.logs import ERROR
from tests.processors.log_watch import LogWatch

SECOND = 1_000_000_000
INFO = 9
START = 1_700_000_000 * SECOND
LATER = START + 86_400 * SECOND
STATEMENTS = ("order {} placed", "paid {} for order {}", "stock of item {} is {}", "user {} signed in")


def quiet(watch: LogWatch, windows: int, seed: int = 1, start: int = 0) -> list[Anomaly]:
    """A shop's usual lines: about two lines a second of four statements, now and then an error."""
    rng, found = random.Random(seed), []
    for tick in range(start * 20, (start + windows) * 20):
        statement, severity = rng.choice(STATEMENTS), INFO
        if rng.random() < 0.002:
            statement, severity = "payment refused: card {}", ERROR
        text = statement.format(rng.randrange(10_000), rng.randrange(10_000))
        watch.add("shop", START + tick * SECOND // 2, severity, text, now=LATER, environment="test")
        found += watch.advance()
    return found


def many(watch: LogWatch, window: int, text: str, severity: int = INFO, count: int = 30) -> None:
    for number in range(count):
        time, trace_id = START + (window * 10 + number % 10) * SECOND, number.to_bytes(16, "big")
        watch.add("shop", time, severity, text.format(number), now=LATER, trace_id=trace_id, environment="test")


def by_series(anomalies: list[Anomaly]) -> dict[str, Anomaly]:
    return {anomaly.series.name: anomaly for anomaly in anomalies}


def test_usual_lines_give_no_anomalies() -> None:
    assert [anomaly for seed in range(5) for anomaly in quiet(LogWatch(), 200, seed)] == []


def test_a_statement_never_written_before_is_reported_with_its_text_and_traces() -> None:
    watch = LogWatch()
    quiet(watch, 60)
    many(watch, 60, "connection to db-{} lost")
    found = by_series(watch.close())
    anomaly = found[logs.NEW_LINES]
    assert (anomaly.kind, anomaly.service, anomaly.seen, anomaly.environment) == (AnomalyKind.LOG, "shop", 30.0, "test")
    assert "connection to db-<*> lost" in anomaly.why
    assert 1 <= len(anomaly.trace_ids) <= 5
    assert anomaly.score > 0.9
    assert logs.ERROR_RATIO not in found, "the lines were no errors"


def test_one_line_of_a_new_statement_is_no_anomaly() -> None:
    watch = LogWatch()
    quiet(watch, 60)
    many(watch, 60, "cache warmed", count=1)
    assert watch.close() == []


def test_a_known_statement_that_bursts_is_reported_once_a_window() -> None:
    watch = LogWatch()
    quiet(watch, 80)
    many(watch, 80, "user {} signed in", count=500)
    found = watch.close()
    assert [anomaly.series.name for anomaly in found] == [logs.LINES]
    assert "'user <*> signed in' (such as 'user " in found[0].why
    assert "written 500 times in 10 s, where " in found[0].why
    assert (found[0].end - found[0].start, found[0].start) == (10 * SECOND, START + 800 * SECOND)
    assert found[0].trace_ids == tuple(number.to_bytes(16, "big") for number in range(5)), "the first few"


def test_of_several_new_statements_that_with_most_lines_is_quoted() -> None:
    watch = LogWatch()
    quiet(watch, 60)
    many(watch, 60, "zone {} is gone", count=20)
    many(watch, 60, "connection to db-{} lost", count=30)
    many(watch, 60, "yet another {} of these", count=10)
    anomaly = by_series(watch.close())[logs.NEW_LINES]
    assert anomaly.seen == 60.0
    assert anomaly.why.startswith("60 log lines of statements never seen before: 'connection to db-<*> lost'")


def test_a_shift_to_errors_is_reported_although_no_statement_is_new() -> None:
    watch = LogWatch()
    many(watch, 0, "payment refused: card {}", ERROR, count=1)
    quiet(watch, 60, start=1)
    many(watch, 61, "payment refused: card {}", ERROR, count=20)
    found = by_series(watch.close())
    assert set(found) >= {logs.ERROR_RATIO}
    assert logs.NEW_LINES not in found
    assert "20 of 20 log lines are errors" in found[logs.ERROR_RATIO].why
    assert "'payment refused: card <*>' (such as 'payment refused: card " in found[logs.ERROR_RATIO].why


def test_what_is_new_is_known_afterwards() -> None:
    watch = LogWatch()
    quiet(watch, 60)
    many(watch, 60, "connection to db-{} lost")
    quiet(watch, 3, start=61)
    many(watch, 64, "connection to db-{} lost")
    assert logs.NEW_LINES not in by_series(watch.close())


def test_nothing_is_news_of_a_service_that_is_new_itself() -> None:
    watch = LogWatch()
    many(watch, 0, "starting {}", count=200)
    many(watch, 1, "started {}", count=100)
    assert watch.close() == []


def test_the_order_of_arrival_within_the_lateness_changes_nothing() -> None:
    lines = [(second, f"statement {second % 3}") for second in range(300)] + [(305, f"new {n}") for n in range(40)]
    rng = random.Random(4)
    shuffled = sorted(lines, key=lambda line: line[0] + rng.uniform(0, 4))
    results = []
    for order in (lines, shuffled):
        watch = LogWatch()
        for second, text in order:
            watch.add("shop", START + second * SECOND, INFO, text, now=LATER)
        results.append((watch.advance() + watch.close(), watch.late))
    assert results[0] == results[1]


def test_a_line_of_a_window_already_judged_is_counted_as_late_and_changes_nothing() -> None:
    watch = LogWatch()
    quiet(watch, 10)
    before = json.dumps(watch.detector.snapshot()["services"])
    watch.add("shop", START, ERROR, "order 1 placed", now=LATER)
    assert (watch.late, json.dumps(watch.detector.snapshot()["services"]), watch.advance()) == (1, before, [])


def test_templates_and_services_are_bounded_and_what_is_forgotten_is_counted() -> None:
    watch = LogWatch(max_services=3, max_templates=10)
    for number in range(50):
        watch.add(f"service-{number}", START + number * SECOND, INFO, "x" * (number + 1), now=LATER)
        watch.advance()
    watch.close()
    assert len(watch.detector._services) == 3
    assert len(watch.detector._watched) == 10
    assert watch.evicted > 40


def test_a_restored_watch_goes_on_as_the_first_would_have() -> None:
    watch, again = LogWatch(), LogWatch()
    quiet(watch, 60)
    watch.close()
    again.detector.restore(json.loads(json.dumps(watch.detector.snapshot())))
    for one in (watch, again):
        many(one, 61, "connection to db-{} lost", ERROR)
        many(one, 62, STATEMENTS[0], count=300)
    found = watch.close()
    assert again.close() == found
    assert any(anomaly.series.label("template") for anomaly in found)
    with pytest.raises(InputError, match="version"):
        again.detector.restore({"version": 99})


def test_of_statements_that_burst_at_once_the_strongest_few_are_reported() -> None:
    statements, watch = [f"{word} done" for word in ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta")], LogWatch()
    for window in range(60):
        for statement in statements:
            many(watch, window, statement, count=2)
    watch.close()
    for number, statement in enumerate(statements):
        many(watch, 61, statement, count=200 + 100 * number)
    found = [anomaly for anomaly in watch.close() if anomaly.series.name == logs.LINES]
    assert len(found) == logs.MAX_BURSTS < len(statements)


def test_a_service_is_remembered_for_so_many_windows_and_its_rate_of_new_statements_stays() -> None:
    watch = LogWatch()
    known = logs._Service(logs.MEMORY + logs.YOUNG, 36.0)
    assert list(watch.detector._judge_new(LogWindow(0, 10 * SECOND), LogSource("shop"), known, 0, "")) == []
    assert known.windows == logs.MEMORY + logs.YOUNG
    assert known.new_lines == pytest.approx(36.0 * logs.MEMORY / (logs.MEMORY + 1))


def test_the_traces_of_a_statement_are_the_first_that_wrote_it_each_once() -> None:
    watch = LogWatch()
    for number in (3, 3, 1, 4, 1, 5, 9, 2, 6):
        watch.add("shop", START, ERROR, "order lost", now=LATER, trace_id=number.to_bytes(16, "big"))
    watch.add("shop", START, INFO, "order lost", now=LATER)
    ((window,),) = [watch.lines.close()]
    first = [number.to_bytes(16, "big") for number in (3, 1, 4, 5, 9)]
    assert list(window.traces.values()) == [first]
    assert window.failed == {LogSource("shop"): first}
    assert window.errors == {LogSource("shop"): 9}
    assert list(window.error_lines.values()) == [9]
    assert list(window.lines.values()) == [10]


def test_a_service_whose_lines_are_all_unlike_each_other_fills_no_window() -> None:
    watch = LogWatch(max_templates=5)
    for number in range(50):
        watch.add("chatty", 1, 9, " ".join([f"word{chr(97 + number % 26)}"] * (number + 1)), now=LATER)
    assert [len(window.lines) for window in watch.lines._windows.values()] == [5]
    assert watch.evicted == 45


def test_windows_are_bounded_and_those_that_are_open_still_count() -> None:
    windows = LogWindows()
    for number in range(MAX_OPEN + 1):
        windows.add("shop", START + number * 10 * SECOND, INFO, "paid", now=LATER)
    assert windows.late == 1
    windows.add("shop", START, INFO, "paid", now=LATER)
    assert windows.late == 1
    assert [sum(window.lines.values()) for window in windows.close()] == [2] + [1] * (MAX_OPEN - 1)


def test_what_0_2_0_learned_of_a_service_is_of_the_environment_of_its_last_line() -> None:
    saved = {"services": [["shop", "test"], ["cart", ""]], "watched": [], "templates": {}, "series": {"series": [
        ["spanloom_log_lines", [["service", "shop"]], 7],
        ["spanloom_log_lines", [["service", "cart"]], 8],
    ]}}  # fmt: skip
    shop, cart = upgraded(saved)["series"]["series"]
    assert shop == ["spanloom_log_lines", with_environment((("service", "shop"),), "test"), 7]
    assert cart == ["spanloom_log_lines", (("service", "cart"),), 8]
