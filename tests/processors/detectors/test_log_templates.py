from __future__ import annotations

import json
from string import ascii_lowercase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.detectors.log_templates import MAX_OF_LENGTH, LogTemplates, masked
from telemetry.errors import InputError

LINES = st.lists(st.tuples(st.sampled_from(["cart", "pay"]), st.text("ab1 /", max_size=30)), max_size=40)


def test_lines_of_one_statement_are_one_template_whatever_their_values() -> None:
    templates = LogTemplates()
    ids = {
        templates.add("pay", f"charged {amount} EUR to card {card} in trace 4bf92f3577b34da6a3ce929d0e0e{number:04d}")
        for number, (amount, card) in enumerate([("12.50", "visa"), ("3", "amex"), ("1,000.00", "visa")])
    }
    assert len(ids) == 1
    assert templates.text(ids.pop()) == "charged <*> EUR to card <*> in trace <*>"


def test_the_line_of_a_source_file_is_no_variable_part() -> None:
    assert masked("Basic#405 took 12 ms") == ["Basic#405", "took", "<*>", "ms"]


def test_services_have_templates_of_their_own() -> None:
    templates = LogTemplates()
    assert templates.add("cart", "started") != templates.add("pay", "started")


def test_statements_that_share_few_words_stay_apart() -> None:
    templates = LogTemplates()
    assert templates.add("cart", "order placed for user") != templates.add("cart", "payment refused by bank")


def test_the_bound_forgets_the_template_seen_longest_ago_and_counts_it() -> None:
    templates = LogTemplates(max_templates=2)
    first = templates.add("a", "one")
    templates.add("a", "two words")
    templates.add("a", "one")
    templates.add("a", "and three words")
    assert (len(templates), templates.evicted) == (2, 1)
    assert templates.text(first) == "one"


def test_lines_without_end_that_are_unlike_each_other_share_a_template_and_are_counted() -> None:
    templates = LogTemplates()
    known = templates.add("chat", "user 7 signed in")
    text = [" ".join([f"{a}{b}"] * 4) for a in ascii_lowercase for b in ascii_lowercase]
    ids = [templates.add("chat", line) for line in text]
    assert len(set(ids)) == MAX_OF_LENGTH
    assert templates.text(ids[-1]) == "<*> <*> <*> <*>"
    assert templates.evicted == len(text) - MAX_OF_LENGTH + 1
    assert templates.add("chat", "user 8 signed in") == known
    assert templates.text(templates.add("chat", "somebody else wrote five words")) == "somebody else wrote five words"


@given(before=LINES, after=LINES)
def test_a_restored_miner_goes_on_as_the_first_would_have(before: list[tuple[str, str]], after: list[tuple[str, str]]) -> None:
    templates = LogTemplates(max_templates=5)
    for line in before:
        templates.add(*line)
    again = LogTemplates(max_templates=5)
    again.restore(json.loads(json.dumps(templates.snapshot())))
    assert [again.add(*line) for line in after] == [templates.add(*line) for line in after]


def test_a_snapshot_of_another_version_is_refused() -> None:
    with pytest.raises(InputError, match="version 7"):
        LogTemplates().restore({"version": 7})
