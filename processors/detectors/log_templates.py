"""Online mining of log templates: lines that the same statement wrote get the same id.

A line is masked (numbers, ids and addresses become `<*>`), split into words and compared with the known templates of its
service that have as many words. The nearest one, if near enough, gets it: where their words differ the template gets a
`<*>`. Follows Drain (He et al., "Drain: An Online Log Parsing Approach with Fixed Depth Tree", ICWS 2017), with the
length of the line and the service as the only levels of the tree, so that a first word that varies splits nothing.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from telemetry.documents import digest
from telemetry.environment import DEFAULT_ENVIRONMENT
from telemetry.errors import InputError

if TYPE_CHECKING:
    from telemetry.json_object import JsonObject

WILD = "<*>"
"""Stands for words that vary."""

_VARIABLE = re.compile(
    r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"  # UUID
    r"|\b0x[0-9a-fA-F]+\b"
    r"|\b(?=[0-9a-fA-F]*\d)[0-9a-fA-F]{8,}\b"  # trace ids, digests
    r"|(?<![\w#.])[-+]?\d[\d.:,/-]*(?!\w)"  # numbers, times, addresses; not the line of a source file as in Foo#12
)
MAX_OF_LENGTH = 200
"""Templates of a service with so many words. It is compared with all of them, and no program has more statements: the
lines beyond are text that varies as a whole, and share one template."""

_MAX_TEXT = 1000
_MAX_WORDS = 60
_MAX_EXAMPLE = 200
_SNAPSHOT_VERSION = 2


def masked(text: str) -> list[str]:
    """The words of a line with its variable parts masked. Only the first line, 1000 characters and 60 words count."""
    first = text.split("\n", 1)[0][:_MAX_TEXT]
    return _VARIABLE.sub(WILD, first).split()[:_MAX_WORDS]


def key_of(service: str, environment: str) -> str:
    """Whose templates are mined together: those of a service in an environment."""
    return service if environment == DEFAULT_ENVIRONMENT else f"{service}\0{environment}"


@dataclass(slots=True)
class _Template:
    id: str
    words: list[str]
    count: int = 0
    example: str = ""  # the least of its lines, which does not depend on their order


class LogTemplates:
    """Templates by service and environment. Ids are a function of these and the first line seen, so they survive a restart.

    Args:
        max_templates: bound over all services; past it the least recently seen one is evicted. `evicted` counts these
            and the lines beyond `MAX_OF_LENGTH`.
        similarity: the least share of words that a line has in common with a template that it joins.

    >>> templates = LogTemplates()
    >>> first = templates.add("cart", "user 17 added item 4")
    >>> first == templates.add("cart", "user 9 added item 12")
    True
    >>> templates.text(first)
    'user <*> added item <*>'
    >>> templates.quoted(first)
    "'user <*> added item <*>' (such as 'user 17 added item 4')"
    """

    def __init__(self, max_templates: int = 5000, similarity: float = 0.6) -> None:
        self._max = max_templates
        self._similarity = similarity
        self._leaf_of: OrderedDict[str, tuple[str, int]] = OrderedDict()  # id -> leaf, least recently seen first
        self._leaves: dict[tuple[str, int], list[_Template]] = {}
        self.evicted = 0

    def __len__(self) -> int:
        """How many templates are known."""
        return len(self._leaf_of)

    def add(self, service: str, text: str, environment: str = DEFAULT_ENVIRONMENT) -> str:
        """The id of the template of a line; a new one where no template of the service is near enough."""
        words = masked(text)
        own = key_of(service, environment)
        leaf = (own, len(words))
        templates = self._leaves.setdefault(leaf, [])
        nearest, share = None, 0.0
        for template in templates:
            same = sum(map(str.__eq__, template.words, words)) / len(words) if words else 1.0
            if same > share:
                nearest, share = template, same
        if share < self._similarity:
            nearest = None
            if len(templates) >= MAX_OF_LENGTH:
                self.evicted += 1
                words = [WILD] * len(words)
                nearest = next((template for template in templates if template.words == words), None)
        if nearest is None:
            nearest = _Template(digest(own, " ".join(words))[:16], words)
            templates.append(nearest)
        elif share < 1.0:
            nearest.words = [old if old == new else WILD for old, new in zip(nearest.words, words, strict=True)]
        nearest.count += 1
        line = text.split("\n", 1)[0][:_MAX_EXAMPLE]
        nearest.example = min(nearest.example or line, line)
        self._leaf_of[nearest.id] = leaf
        self._leaf_of.move_to_end(nearest.id)
        self._evict()
        return nearest.id

    def text(self, template: str) -> str:
        """The words of a template, or its id where it has been evicted."""
        known = self._find(template)
        return " ".join(known.words) if known is not None else template

    def quoted(self, template: str) -> str:
        """A template as evidence shows it: its words, and one of its lines where they vary."""
        known, words = self._find(template), self.text(template)
        return f"'{words}' (such as '{known.example}')" if known is not None and WILD in words else f"'{words}'"

    def _find(self, template: str) -> _Template | None:
        leaf = self._leaf_of.get(template)
        return None if leaf is None else next(known for known in self._leaves[leaf] if known.id == template)

    def _evict(self) -> None:
        while len(self._leaf_of) > self._max:
            oldest, leaf = self._leaf_of.popitem(last=False)
            self._leaves[leaf] = [template for template in self._leaves[leaf] if template.id != oldest]
            if not self._leaves[leaf]:
                del self._leaves[leaf]
            self.evicted += 1

    def snapshot(self) -> JsonObject:
        """Plain data for `restore`."""
        by_id = {template.id: template for templates in self._leaves.values() for template in templates}
        return {
            "version": _SNAPSHOT_VERSION,
            "templates": [
                [leaf[0], name, known.words, known.count, known.example]
                for name, leaf in self._leaf_of.items()
                for known in (by_id[name],)
            ],
        }

    def restore(self, snapshot: JsonObject) -> None:
        """Take the state of a snapshot instead of the present one.

        Raises:
            InputError: the snapshot has another version.
        """
        if snapshot.get("version") != _SNAPSHOT_VERSION:
            raise InputError(
                f"log templates: snapshot version {snapshot.get('version')!r}, this release reads {_SNAPSHOT_VERSION}"
            )
        self._leaf_of.clear()
        self._leaves.clear()
        for service, name, words, count, example in snapshot["templates"]:
            leaf = (service, len(words))
            self._leaf_of[name] = leaf
            self._leaves.setdefault(leaf, []).append(_Template(name, list(words), count, example))
