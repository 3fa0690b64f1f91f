from __future__ import annotations

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.variables import names_in, render, render_query
from telemetry.errors import ConfigError


@given(st.text())
def test_a_foreign_label_stays_inside_the_string_of_a_query(value: str) -> None:
    try:
        query = render_query('up{job="$job"} > 0', {"job": value})
        parsed = promql_parser.parse(query)
    except ValueError:
        return  # a character that PromQL has no string for is refused, never taken for syntax
    assert isinstance(parsed, promql_parser.BinaryExpr)
    assert isinstance(parsed.lhs, promql_parser.VectorSelector)
    assert [matcher.value for matcher in parsed.lhs.matchers.matchers] == [value]


def test_a_foreign_label_cannot_leave_its_place_in_a_url() -> None:
    arguments = {"url": "http://host/services/$name/restart", "json": {"name": "$name"}}
    assert render(arguments, {"name": "../../admin?x=1#"}) == {
        "url": "http://host/services/..%2F..%2Fadmin%3Fx%3D1%23/restart",
        "json": {"name": "../../admin?x=1#"},
    }


def test_a_label_that_holds_a_dollar_is_put_in_as_it_is() -> None:
    assert render("$a $$ ${b}", {"a": "$b", "b": "2"}) == "$b $ 2"


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ConfigError, match="needs the label pod"):
        render(["$service", {"x": "$pod"}], {"service": "cart"})
    with pytest.raises(ConfigError, match="write \\$\\$ for a dollar sign"):
        names_in({"a": ['=~"x$"']})
