"""Where a character of a scalar's value is written in the YAML that holds it: past quotes, escapes, indentation and folding."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import yaml

_HEADER = re.compile(r"[|>][-+0-9]*[^\n]*\n")
"""The line that begins a block."""
_ESCAPE = re.compile(r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|\r?\n[ \t]*|.)", re.DOTALL)
_BLANK = {
    "\\n": "\n",
    "\\t": "\t",
    "\\r": "\r",
    "\\ ": " ",
    "\\\t": "\t",
    "\\_": "\xa0",
    "\\N": "\x85",
    "\\L": "\u2028",
    "\\P": "\u2029",
}


def place_in_text(source: str, node: yaml.ScalarNode, at: int) -> tuple[int, int]:
    """Line and column, from one, of the character `at` of a value; of where it ends, for one past its end.

    Folding and indentation change only white space, so characters that are none are counted on both sides.

    Args:
        source: the whole file.
        node: of the value.
        at: which character of the value, from zero.
    """
    value = str(node.value)
    written = [index for index, character in _written(source, node) if not character.isspace()]
    before = len("".join(value[:at].split()))
    if at < len(value) and not value[at].isspace():
        index = written[before] if before < len(written) else node.end_mark.index
    else:
        index = written[before - 1] + 1 if 0 < before <= len(written) else node.start_mark.index
    line = source.count("\n", 0, index)
    return line + 1, index - (source.rfind("\n", 0, index) + 1) + 1


def _written(source: str, node: yaml.ScalarNode) -> Iterator[tuple[int, str]]:
    """The characters of a value as they are written, each with its index in the source; white space as it may be."""
    start, stop = node.start_mark.index, node.end_mark.index
    if node.style in {"|", ">"}:
        found = _HEADER.match(source, start)
        start = found.end() if found else start
    elif node.style in {"'", '"'}:
        start, stop = start + 1, stop - 1
    index = start
    while index < stop:
        if node.style == "'" and source.startswith("''", index):
            yield index, "'"
            index += 2
        elif node.style == '"' and source[index] == "\\" and (found := _ESCAPE.match(source, index)):
            continues = found[0][1:2] in {"\n", "\r"}
            yield index, " " if continues else _BLANK.get(found[0], "x")
            index = found.end()
        else:
            yield index, source[index]
            index += 1
