"""A YAML file that knows the line of everything in it, read into a pydantic model with errors that name the line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from telemetry.json_object import JsonObject

Model = TypeVar("Model", bound=BaseModel)
Path = tuple[str | int, ...]
MAX_BYTES = 4 << 20
"""Largest file, in characters."""
MAX_REPEATED = 100_000
"""Most nodes that aliases may repeat: a small file can stand for a huge one."""
MAX_NUMBER = 400
"""Longest number, in characters: to read a long one takes time in the square of its length."""
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


def without_null(value: object) -> object:
    """A mapping without its keys that have no value: they are left open, as for programs in Go. A validator of models."""
    return {key: item for key, item in value.items() if item is not None} if isinstance(value, dict) else value


class YamlFile:
    """One document of plain YAML: plain keys, none twice, nothing that contains itself, no tags beyond the standard's.

    Raises:
        ConfigError: not such a document.
    """

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self._text = text
        if len(text) > MAX_BYTES:
            raise ConfigError(f"{name}: {len(text)} characters; at most {MAX_BYTES}")
        try:
            loader = yaml.SafeLoader(text)
            self._root = loader.get_single_node()
            if self._root is not None:
                sizes: dict[int, int] = {}
                repeated = self._check(self._root, frozenset(), sizes) - len(sizes)
                if repeated > MAX_REPEATED:
                    raise ConfigError(f"{name}: aliases repeat {repeated} nodes; at most {MAX_REPEATED}")
            self.data: Any = None if self._root is None else loader.construct_document(self._root)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            problem = error.problem or error.context
            if problem == "but found another document":
                problem = "another document begins here, and a file holds one: put it into a file of its own"
            raise ConfigError(f"{name}:{line}: {problem}") from None
        except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            # LookupError to AttributeError: a tag such as !!bool before what it cannot be
            raise ConfigError(f"{name}: not YAML: {error}") from None

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
        return ConfigError(f"{self.name}:{node.start_mark.line + 1}: {reason}")

    def line(self, path: Sequence[str | int]) -> int:
        """The line of what the path leads to, or of the last thing on its way that is there."""
        node, line = self._root, 1
        for step in path:
            if isinstance(node, yaml.MappingNode):
                pair = next(((key, value) for key, value in node.value if key.value == str(step)), None)
                if pair is None:
                    break
                line, node = pair[0].start_mark.line + 1, pair[1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
                line = node.start_mark.line + 1
            else:
                break
        return line

    def error(self, path: Sequence[str | int], reason: str) -> ConfigError:
        """An error that names file and line."""
        return ConfigError(f"{self.name}:{self.line(path)}: {reason}")

    def without(self, secrets: Collection[str]) -> str:
        """The text with `<secret>` for every value that holds one of these, however it is written, and for it in comments."""
        longest_first = sorted(secrets, key=len, reverse=True)
        text, end = self._text, len(self._text)
        parts: list[str] = []
        for start, node in sorted(_scalars(self._root).items(), reverse=True):
            if any(secret in node.value for secret in secrets):
                written = text[start : node.end_mark.index]
                before = _PROPERTIES.match(written)
                gap = written[len(written.rstrip()) :]  # the line's end after a block
                parts += [text[node.end_mark.index : end], f"{before[0] if before else ''}<secret>{gap}"]
                end = start
        masked = "".join((text[:end], *reversed(parts)))
        for secret in longest_first:
            masked = masked.replace(secret, "<secret>")
        return masked

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
        data = self.written() if as_written else self.data
        try:
            return model.model_validate(data if data is not None else {}, context=context)
        except ValidationError as error:
            raise ConfigError("\n".join(self._explain(dict(detail), refused or {}) for detail in error.errors())) from None

    def _explain(self, detail: JsonObject, refused: Mapping[str, str]) -> str:
        path: Path = detail["loc"]
        where = ".".join(f"[{step}]" if isinstance(step, int) else step for step in path).replace(".[", "[")
        unknown = refused.get(str(path[-1]), "unknown field") if path else ""
        message: str = detail["msg"]
        reason = {"extra_forbidden": unknown, "missing": "is missing"}.get(detail["type"], message)
        prefix = f"{where}: " if where else ""
        return f"{self.name}:{self.line(path)}: {prefix}{reason.removeprefix('Value error, ')}"


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
