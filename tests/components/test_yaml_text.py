"""Places inside texts of YAML: the character that is written there is the one of the value, whatever the style."""

from __future__ import annotations

import string

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from components.yaml_text import place_in_text

WORDS = st.lists(
    st.text(string.ascii_letters + string.digits + "\"'\\()[]=~\u00e9", min_size=1, max_size=6), min_size=1, max_size=8
)


@given(
    words=WORDS,
    breaks=st.lists(st.sampled_from([" ", "  ", "\n", "\n\n", "\n  "]), min_size=7, max_size=7),
    style=st.sampled_from(["'", '"', "|", ">", None]),
    width=st.sampled_from([10, 40, 1000]),
    deep=st.booleans(),
)
def test_a_character_is_where_the_file_has_it(
    words: list[str], breaks: list[str], style: str | None, width: int, *, deep: bool
) -> None:
    value = words[0] + "".join(gap + word for gap, word in zip(breaks, words[1:], strict=False))
    data = {"first": 1, "text": value} if not deep else {"a": [{"first": 1, "text": value}]}
    source = yaml.dump(data, default_style=style, width=width, allow_unicode=True, sort_keys=False)
    node = yaml.SafeLoader(source).get_single_node()
    assert node is not None
    while not isinstance(node, yaml.ScalarNode):
        node = node.value[-1][1] if isinstance(node, yaml.MappingNode) else node.value[-1]
    assert node.value == value
    lines = source.split("\n")
    for at, character in enumerate(value):
        if not character.isspace():
            line, column = place_in_text(source, node, at)
            written = lines[line - 1][column - 1 :]
            assert written.startswith((character, "\\" + character))


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("a: one two\n", (1, 11)),
        ("a: 'one two'\n", (1, 12)),
        ('a: "one\\n  two"\n', (1, 15)),
        ("a: |\n  one\n  two\n\n", (3, 6)),
        ("a: >-\n  one\n\n  two\n", (4, 6)),
        ("a: ''\n", (1, 4)),
    ],
)
def test_the_end_of_a_text_is_after_its_last_character(source: str, place: tuple[int, int]) -> None:
    root = yaml.SafeLoader(source).get_single_node()
    assert root is not None
    node = root.value[0][1]
    assert place_in_text(source, node, len(node.value)) == place
