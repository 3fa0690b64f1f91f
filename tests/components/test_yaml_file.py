"""YAML that others write: what is not plain is refused with its line, and nothing else comes out."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from components.yaml_file import YamlFile
from telemetry.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("groups:\n- {[a]: b}", "2:4: a key must be plain text"),
        ("a: 1\n? {b: c}\n: d", "2:3: a key must be plain text"),
        ("a:\n  b: 1\n  b: 2", '3:3: duplicate key "b"'),
        ("a: 1\n---\nb: 2", "2:1: another document begins here, and a file holds one"),
        ("a: &a\n- *a", "1:4: contains itself by an alias"),
        ('a:\n- "x\\ud800y"', "2:3: half of a surrogate pair"),
        ('"\\udfff": a', "1:1: half of a surrogate pair"),
        ("a: !!python/name:os.system x", "1:4: could not determine a constructor"),
        ("a: !!bool x", " not YAML: 'x'"),
        ("a: !!float ''", " not YAML: "),
        ("a: !!timestamp x", " not YAML: "),
        ("[" * 2000, " not YAML: "),
        ("a:\n- " + "1:" * 200_000 + "1", "2:3: a number of 400001 characters; at most 400"),
        ("a: 1" + "0" * 5000 + ".5", "1:4: a number of 5003 characters; at most 400"),
    ],
)
def test_what_is_not_plain_is_refused_with_its_line(text: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        YamlFile(text, "f.yml")
    assert str(caught.value).startswith(f"f.yml:{reason}")


def test_a_small_file_that_stands_for_a_huge_one_is_refused() -> None:
    levels = "\n".join(f"- &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]" for i in range(1, 9))
    with pytest.raises(ConfigError, match="aliases repeat 54480996 nodes; at most 100000"):
        YamlFile(f"- &l0 x\n{levels}", "f.yml")
    assert YamlFile("a: &a {b: c}\nd: [*a, *a]\ne: {<<: *a}", "f.yml").data["e"] == {"b": "c"}


class Anything(BaseModel):
    """A model with a map, so that keys of every kind meet it."""

    a: dict[str, int | list[str]] = {}


@given(st.text(alphabet="ab01.:-?[]{}&*!<>|#'\"\\xuUd8f \n", max_size=60))
def test_no_text_gives_anything_but_a_model_or_an_error(text: str) -> None:
    with suppress(ConfigError):
        YamlFile(text, "f.yml").read(Anything)


@pytest.mark.parametrize(
    ("text", "data", "line"),
    [
        ("a: 1\n---\nb: [\n", {"a": 1}, 2),
        ("---\na: 1\n", {"a": 1}, 0),
        ("# before\n---\n\na: |\n  --- text\n---\nb: 2\n---\nc: 3\n", {"a": "--- text\n"}, 6),
        ("", None, 0),
    ],
)
def test_of_several_documents_the_first_can_be_read_and_the_next_is_named(text: str, data: object, line: int) -> None:
    file = YamlFile(text, "f.yml", first=True)
    assert (file.data, file.unread_from) == (data, line)
