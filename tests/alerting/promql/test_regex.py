"""Regular expressions: RE2's, as Go has them."""

from __future__ import annotations

import pytest

from alerting.promql.matchers import Matcher, MatchType
from alerting.promql.regex import MAX_PATTERN, Regex, RegexError


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("a{,3}", "aa", False),
        ("a{,3}", "a{,3}", True),
        ("[[:alpha:]]+", "abc", True),
        ("(?i)Ä", "ä", True),
        (r"\d", "٣", False),
        (r"\pL+", "käse", True),
        (".", "\n", False),
        ("(?s).", "\n", True),
        ("a|ab", "ab", True),
        ("", "", True),
    ],
)
def test_expressions_mean_what_re2_means(pattern: str, text: str, matches: bool) -> None:  # noqa: FBT001  # a column
    assert Matcher.of("x", MatchType.REGEX, pattern).matches(text) is matches


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(", "missing \\)"),
        ("(?=a)", "invalid perl operator"),
        (r"(a)\1", "invalid escape sequence"),
        (r"\C", "invalid escape sequence"),
        ("a++", "bad repetition operator"),
        ("(?x)a", "invalid perl operator"),
        ("a{1001}", "invalid repetition size"),
        ("x" * (MAX_PATTERN + 1), "at most 4096"),
    ],
)
def test_what_is_not_of_re2_is_refused(pattern: str, reason: str) -> None:
    with pytest.raises(RegexError, match=reason):
        Regex.of(pattern)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("pattern", ["(a|a)*b", "(a*)*b", "(.*)(.*)(.*)(.*)(.*)[^a]"])
def test_no_expression_takes_longer_than_its_text(pattern: str) -> None:
    assert not Matcher.of("x", MatchType.REGEX, pattern).matches("a" * 100_000)


@pytest.mark.parametrize(
    ("pattern", "text", "result"),
    [("a*", "baaac", "xbxcx"), ("", "äb", "xäxbx"), ("b", "äbb", "äxx"), ("z", "ä", "ä"), ("^", "a", "xa"), ("a+", "aa", "x")],
)
def test_replacing_is_that_of_go(pattern: str, text: str, result: str) -> None:
    assert Regex.of(pattern).replace(text, lambda _: "x") == result
