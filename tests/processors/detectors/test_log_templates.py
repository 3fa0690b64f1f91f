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


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a 4bf92f35-77b3-4da6-a3ce-929d0e0e4736 b", "a <*> b"),
        ("at 0xdeadBEEF now", "at <*> now"),
        ("id deadbeef0 and deadbeef", "id <*> and deadbeef"),
        ("id abc1234", "id abc1234"),
        ("took -1.5 +2 3,000 10:20:30 10.0.0.1:80 1/2", "took <*> <*> <*> <*> <*> <*>"),
        ("v2 x_3 5ms", "v2 x_3 5ms"),
        ("one\ntwo", "one"),
        ("", ""),
    ],
    ids=["uuid", "hex", "digest", "short digest", "numbers", "names", "first line", "nothing"],
)
def test_the_variable_parts_of_a_line_are_masked(text: str, words: str) -> None:
    assert masked(text) == words.split()


def test_of_a_line_a_thousand_characters_and_sixty_words_count() -> None:
    assert masked("a " * 100) == ["a"] * 60
    assert masked("x" * 1001) == ["x" * 1000]


@pytest.mark.parametrize(("shared", "joins"), [(5, False), (6, True)])
def test_a_line_joins_a_template_that_has_six_of_ten_words(shared: int, joins: bool) -> None:  # noqa: FBT001 - a parameter
    templates = LogTemplates()
    first = templates.add("cart", " ".join(f"w{letter}" for letter in "abcdefghij"))
    second = templates.add("cart", " ".join([f"w{letter}" for letter in "abcdefghij"[:shared]] + ["other"] * (10 - shared)))
    assert (first == second) == joins
    assert len(templates) == 2 - joins
    if joins:
        assert templates.text(first) == " ".join(
            [*(f"w{letter}" for letter in "abcdefghij"[:shared]), *["<*>"] * (10 - shared)]
        )


def test_the_share_of_words_that_joins_is_a_setting() -> None:
    strict = LogTemplates(similarity=0.9)
    assert strict.add("cart", "one two three four five") != strict.add("cart", "one two three four other")


def test_a_line_joins_the_nearest_template_and_of_two_the_first() -> None:
    templates = LogTemplates(similarity=0.7)
    far = templates.add("cart", "a b c d e f g h p q")
    near = templates.add("cart", "a b c d e f x y r s")
    assert far != near
    assert templates.add("cart", "a b c d e f x y r t") == near
    assert templates.text(far) == "a b c d e f g h p q"
    tie = LogTemplates()
    first = tie.add("cart", "a b c d e x x x x")
    second = tie.add("cart", "y y y d e f g h i")
    assert tie.add("cart", "a b c d e f g h i") == second, "six of nine are more than five"
    assert first != second


def test_a_template_is_named_by_its_service_environment_and_first_line() -> None:
    names = {
        LogTemplates().add(*line)
        for line in (("cart", "a 1"), ("cart", "a 2"), ("pay", "a 1"), ("cart", "b 1"), ("cart", "a 1", "staging"))
    }
    assert len(names) == 4
    assert all(len(name) == 16 for name in names)
    assert LogTemplates().add("cart", "a 1") == LogTemplates().add("cart", "a 2", "default")


def test_what_is_quoted_is_the_words_and_where_they_vary_the_least_line_of_them() -> None:
    templates = LogTemplates()
    plain = templates.add("cart", "started")
    varied, *_ = [templates.add("cart", text) for text in ("took 30 ms", "took 12 ms\nat once", "took 7 ms")]
    assert templates.quoted(plain) == "'started'"
    assert templates.quoted(varied) == "'took <*> ms' (such as 'took 12 ms')"
    assert (templates.quoted("gone"), templates.text("gone")) == ("'gone'", "gone")
    long = templates.add("cart", "5 " + "x" * 300)
    assert templates.quoted(long).endswith("(such as '5 " + "x" * 198 + "')")


def test_an_evicted_template_is_mined_anew_and_those_beside_it_stay() -> None:
    templates = LogTemplates(max_templates=2)
    first, second = templates.add("a", "first line"), templates.add("a", "other words")
    third = templates.add("a", "something new")
    assert (templates.text(first), templates.text(second)) == (first, "other words")
    assert templates.add("a", "first line") == first
    assert (templates.text(second), templates.text(third), templates.evicted) == (second, "something new", 2)


def test_what_a_snapshot_has() -> None:
    templates = LogTemplates()
    first, second = templates.add("cart", "took 3 ms", "staging"), templates.add("cart", "started")
    templates.add("cart", "took 1 ms", "staging")
    assert templates.snapshot() == {
        "version": 2,
        "templates": [
            ["cart", second, ["started"], 1, "started"],
            ["cart\0staging", first, ["took", "<*>", "ms"], 2, "took 1 ms"],
        ],
    }
    with pytest.raises(InputError, match=r"^log templates: snapshot version None, this release reads 2$"):
        templates.restore({})
