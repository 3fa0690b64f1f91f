"""A YAML file that knows the place of everything in it, read into a pydantic model with errors that name line and column."""

from __future__ import annotations

import copy
import re
import sys
from functools import reduce
from operator import getitem
from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from components.meant import did_you_mean, fields
from components.yaml_text import place_in_text
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from telemetry.json_object import JsonObject

Model = TypeVar("Model", bound=BaseModel)
Path = tuple[str | int, ...]
MAX_BYTES = 4 << 20
"""Largest file, in characters."""
MAX_REPEATED = 100_000
"""Most nodes that aliases may repeat: a small file can stand for a huge one."""
MAX_NUMBER = 400
"""Longest number, in characters: to read a long one takes time in the square of its length."""
MAX_PASSES = 5
"""How often a document is read again without what was wrong in it."""
_NUMBERS = {"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"}
_TYPED = _NUMBERS | {f"tag:yaml.org,2002:{name}" for name in ("bool", "timestamp", "binary")}
_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)*")
"""Anchor and tag of a node."""


class _AsWritten(yaml.SafeLoader):
    """Scalars are the text that stands in the file, but for null."""

    yaml_constructors = {  # noqa: RUF012 - as the class above has it
        tag: yaml.SafeLoader.construct_scalar if tag in _TYPED else constructor
        for tag, constructor in yaml.SafeLoader.yaml_constructors.items()
    }


class TextError(ValueError):
    """What a validator raises of a text in which one place is wrong.

    Args:
        reason: what is wrong.
        at: which character of the text is the first that is wrong, from zero; none if unknown.
        steps: from the validated field to the text, such as the index in a list.
    """

    def __init__(self, reason: str, at: int | None = None, steps: Path = ()) -> None:
        super().__init__(reason)
        self.at = at
        self.steps = steps


MASKED_URL = "https://hidden.invalid/<secret>"

_DOCUMENT = re.compile(r"^---(?=\s)", re.MULTILINE)


def without_null(value: object) -> object:
    """A mapping without its keys that have no value: they are left open, as for programs in Go. A validator of models."""
    return {key: item for key, item in value.items() if item is not None} if isinstance(value, dict) else value


class YamlFile:
    """One document of plain YAML: plain keys, none twice, nothing that contains itself, no tags beyond the standard's.

    Args:
        text: of the file.
        name: what errors call it.
        first: read the first document of several, as programs in Go do, instead of refusing them.

    Raises:
        ConfigError: not such a document.
    """

    def __init__(self, text: str, name: str, *, first: bool = False) -> None:
        self.name = name
        self._text = text
        self._left: dict[Path, list[int]] = {}  # which items are left of a list, where what is wrong was removed
        if len(text) > MAX_BYTES:
            raise ConfigError(f"{name}: {len(text)} characters; at most {MAX_BYTES}")
        try:
            loader = yaml.SafeLoader(text)
            if first:
                self._root = loader.get_node() if loader.check_node() else None
            else:
                self._root = loader.get_single_node()
            if self._root is not None:
                sizes: dict[int, int] = {}
                repeated = self._check(self._root, frozenset(), sizes) - len(sizes)
                if repeated > MAX_REPEATED:
                    raise ConfigError(f"{name}: aliases repeat {repeated} nodes; at most {MAX_REPEATED}")
            self.data: Any = None if self._root is None else loader.construct_document(self._root)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            where = f"{mark.line + 1}:{mark.column + 1}" if mark else "1:1"
            problem = error.problem or error.context
            if problem == "but found another document":
                problem = "another document begins here, and a file holds one: put it into a file of its own"
            raise ConfigError(f"{name}:{where}: {problem}") from None
        except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            # LookupError to AttributeError: a tag such as !!bool before what it cannot be
            raise ConfigError(f"{name}: not YAML: {error}") from None

    @property
    def unread_from(self) -> int:
        """The line at which a second document begins, which is not read; 0 without one."""
        after = self._root.end_mark.index if self._root is not None else 0
        found = _DOCUMENT.search(self._text, after)
        return self._text.count("\n", 0, found.start()) + 1 if found is not None and self._root is not None else 0

    def _check(self, node: yaml.Node, above: frozenset[int], sizes: dict[int, int]) -> int:
        """How many nodes it stands for, without keys; `sizes` has those of the nodes that are written."""
        if id(node) in above:
            raise self._wrong(node, "contains itself by an alias")
        if id(node) in sizes:
            return sizes[id(node)]
        above |= {id(node)}
        size = 1
        if isinstance(node, yaml.MappingNode):
            keys: set[str] = set()
            for key, value in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    raise self._wrong(key, "a key must be plain text")
                self._check_text(key)
                if key.value in keys and key.tag != "tag:yaml.org,2002:merge":
                    raise self._wrong(key, f'duplicate key "{key.value}"')
                keys.add(key.value)
                size += self._check(value, above, sizes)
        elif isinstance(node, yaml.SequenceNode):
            size += sum(self._check(item, above, sizes) for item in node.value)
        else:
            self._check_text(node)
        sizes[id(node)] = size
        return size

    def _check_text(self, node: yaml.Node) -> None:
        if not str(node.value).isascii() and re.search(r"[\ud800-\udfff]", node.value):
            raise self._wrong(node, "half of a surrogate pair; write the character itself")
        if node.tag in _NUMBERS and len(node.value) > MAX_NUMBER:
            raise self._wrong(node, f"a number of {len(node.value)} characters; at most {MAX_NUMBER}, or put it in quotes")

    def _wrong(self, node: yaml.Node, reason: str) -> ConfigError:
        return ConfigError(f"{self.name}:{_place(node)}: {reason}")

    def origin(self, path: Sequence[str | int]) -> Path:
        """Where in the document it is what a path leads to in what `read_what_is_right` found."""
        found: Path = ()
        for step in path:
            left = self._left.get(found)
            found += (left[step] if isinstance(step, int) and left is not None and step < len(left) else step,)
        return found

    def place(self, path: Sequence[str | int], *, of_key: bool = False, at: int | None = None) -> str:
        """`LINE:COLUMN` of what the path leads to, or of the last thing on its way that is there.

        Of a key whose value is a plain one in the same line it is that of the value, unless that `of_key` is wanted. `at` is
        which character of the value, if the path leads to a text.
        """
        node, place = self._root, "1:1"
        for step in self.origin(path):
            if isinstance(node, yaml.MappingNode):
                pair = next(((key, value) for key, value in node.value if key.value == str(step)), None)
                if pair is None:
                    break
                key, node = pair
                beside = not of_key and isinstance(node, yaml.ScalarNode) and node.start_mark.line == key.start_mark.line
                place = _place(node if beside else key)
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
                place = _place(node)
            else:
                break
        else:
            if at is not None and isinstance(node, yaml.ScalarNode):
                return "{}:{}".format(*place_in_text(self._text, node, at))
        return place

    def error(self, path: Sequence[str | int], reason: str, at: int | None = None) -> ConfigError:
        """An error that names file, line and column: of what the path leads to, or of the character `at` of that text."""
        return ConfigError(f"{self.name}:{self.place(path, at=at)}: {reason}")

    def order(self, problem: str) -> tuple[int, int]:
        """Sorts errors of this file by their places, and others after them."""
        found = re.match(r"(\d+):(\d+):", problem.removeprefix(f"{self.name}:"))
        return (int(found[1]), int(found[2])) if found and problem.startswith(f"{self.name}:") else (sys.maxsize, 0)

    def without(self, secrets: Collection[str]) -> str:
        """The text with `<secret>` for every value that holds one of these, however it is written, and for it in comments.

        A URL is masked by one that leads nowhere: who reads the text as a configuration may need one.
        """
        longest_first = sorted(secrets, key=len, reverse=True)
        text, end = self._text, len(self._text)
        parts: list[str] = []
        for start, node in sorted(_scalars(self._root).items(), reverse=True):
            if any(secret in node.value for secret in secrets):
                written = text[start : node.end_mark.index]
                before = _PROPERTIES.match(written)
                gap = written[len(written.rstrip()) :]  # the line's end after a block
                hidden = MASKED_URL if node.value.lower().startswith(("http://", "https://")) else "<secret>"
                parts += [text[node.end_mark.index : end], f"{before[0] if before else ''}{hidden}{gap}"]
                end = start
        masked = "".join((text[:end], *reversed(parts)))
        for secret in longest_first:
            masked = masked.replace(secret, "<secret>")
        return masked

    def pruned(self, is_foreign: Callable[[Path], bool]) -> str:
        """The text without what is at some paths, their last step a key; as it is where there is none of them."""
        if self._root is None:
            return self._text
        gone: list[Path] = []
        kept = _pruned(self._root, (), is_foreign, gone)
        return str(yaml.serialize(kept, allow_unicode=True)) if gone else self._text

    def written(self) -> Any:
        """The document with every scalar as the text that stands there, but for null."""
        return None if self._root is None else _AsWritten("").construct_document(self._root)

    def read(
        self,
        model: type[Model],
        context: object = None,
        refused: Mapping[str, str] | None = None,
        *,
        as_written: bool = False,
    ) -> Model:
        """The document as a model.

        Args:
            model: of pydantic.
            context: for its validators.
            refused: why some fields are unsupported, by name, for users who know them from elsewhere.
            as_written: scalars are texts, for the model to read as what it wants: a label `yes` is no boolean then.

        Raises:
            ConfigError: one line a wrong field, all of them.
        """
        found, problems = self.read_what_is_right(model, context, refused, as_written=as_written, passes=1)
        if found is None or problems:
            raise ConfigError("\n".join(problems))
        return found

    def read_what_is_right(
        self,
        model: type[Model],
        context: object = None,
        refused: Mapping[str, str] | None = None,
        *,
        as_written: bool = False,
        passes: int = MAX_PASSES,
    ) -> tuple[Model | None, list[str]]:
        """The document as a model without what is wrong in it, if that leaves one, and what is wrong: a line for each field.

        So what is checked afterwards can be checked of the rest, and all mistakes are reported at once.
        """
        data = self.written() if as_written else self.data
        data = copy.deepcopy({} if data is None else data)
        self._left.clear()
        problems: list[str] = []
        removed: set[Path] = set()  # what is missing only since
        for _ in range(passes):
            try:
                return model.model_validate(data, context=context), problems
            except ValidationError as error:
                details: list[JsonObject] = [dict(detail) for detail in error.errors()]
                details = [detail for detail in details if not _follows(detail, details)]
                problems += [
                    self._explain(detail, model, refused or {})
                    for detail in details
                    if self.origin(detail["loc"]) not in removed
                ]
                wrong: set[Path] = {detail["loc"][:-1] if detail["type"] == "missing" else detail["loc"] for detail in details}
                removed |= {self.origin(path) for path in wrong}
                if not all(self._remove(data, path) for path in sorted(wrong, key=_items_first, reverse=True)):
                    break
        return None, problems

    def _remove(self, document: JsonObject, path: Path) -> bool:
        """Remove what a path leads to from a document; whether it could be."""
        try:
            holder: JsonObject = reduce(getitem, path[:-1], document)  # type: ignore[arg-type]
            if isinstance(holder, list):
                self._left.setdefault(self.origin(path[:-1]), list(range(len(holder)))).pop(path[-1])
            del holder[path[-1]]  # type: ignore[arg-type]
        except (LookupError, TypeError):
            return False
        return True

    def _written_path(self, path: Path, *, of_field: bool) -> Path:
        """A path without the names of types, which pydantic puts into it where one of several may be.

        `of_field` if its last step is a field, which need not be there.
        """
        node, found = self._root, []
        origin = self.origin(path)
        for i, step in enumerate(path):
            below = None
            if isinstance(node, yaml.MappingNode):
                below = next((value for key, value in node.value if key.value == str(step)), None)
            elif isinstance(node, yaml.SequenceNode) and isinstance(index := origin[i], int) and index < len(node.value):
                below = node.value[index]
            if below is not None or (of_field and i == len(path) - 1):
                found.append(step)
                node = below
        return tuple(found)

    def _explain(self, detail: JsonObject, model: type[BaseModel], refused: Mapping[str, str]) -> str:
        path = self._written_path(detail["loc"], of_field=detail["type"] in {"missing", "extra_forbidden"})
        where = ".".join(f"[{step}]" if isinstance(step, int) else step for step in path).replace(".[", "[")
        unknown = ""
        if path and detail["type"] == "extra_forbidden":
            name = str(path[-1])
            unknown = refused.get(name) or f"unknown field{did_you_mean(name, fields(model, path[:-1]))}"
        message: str = detail["msg"]
        reason = {"extra_forbidden": unknown, "missing": "is missing"}.get(detail["type"], message)
        prefix = f"{where}: " if where else ""
        cause = detail.get("ctx", {}).get("error")
        if isinstance(cause, TextError):
            place = self.place((*path, *cause.steps), at=cause.at)
        else:
            place = self.place(path, of_key=detail["type"] == "extra_forbidden")
        return f"{self.name}:{place}: {prefix}{reason.removeprefix('Value error, ')}"


def _follows(detail: JsonObject, details: list[JsonObject]) -> bool:
    """Whether something is too short only because what is in it is wrong."""
    path = detail["loc"]
    return detail["type"] == "too_short" and any(other["loc"][: len(path)] == path != other["loc"] for other in details)


def _items_first(path: Path) -> list[tuple[bool, str | int]]:
    return [(isinstance(step, int), step) for step in path]


def _place(node: yaml.Node) -> str:
    return f"{node.start_mark.line + 1}:{node.start_mark.column + 1}"


def _scalars(root: yaml.Node | None) -> dict[int, yaml.ScalarNode]:
    """Every scalar by where it starts in the text."""
    found: dict[int, yaml.ScalarNode] = {}
    rest, seen = [] if root is None else [root], set()
    while rest:
        node = rest.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.ScalarNode):
            found[node.start_mark.index] = node
        elif isinstance(node, yaml.MappingNode):
            rest += [part for pair in node.value for part in pair]
        else:
            rest += node.value
    return found


def _pruned(node: yaml.Node, path: Path, is_foreign: Callable[[Path], bool], gone: list[Path]) -> yaml.Node:
    if isinstance(node, yaml.MappingNode):
        kept = []
        for key, value in node.value:
            below = (*path, str(key.value))
            if is_foreign(below):
                gone.append(below)
            else:
                kept.append((key, _pruned(value, below, is_foreign, gone)))
        return yaml.MappingNode(node.tag, kept, flow_style=False)  # in which 17:00 needs no quotes
    if isinstance(node, yaml.SequenceNode):
        items = [_pruned(item, (*path, i), is_foreign, gone) for i, item in enumerate(node.value)]
        return yaml.SequenceNode(node.tag, items, flow_style=False)
    return node
