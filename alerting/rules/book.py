"""The rules in use: those of files, and those that an API or a policy sets, by namespace.

A namespace is what a rule file is, kept in memory and in the snapshot. Each change is compiled as a whole before any of it
takes effect, and what was in use stays when it is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from alerting.alerts import RESERVED
from alerting.promql.expression import compile_expression
from alerting.promql.vectors import NAME
from alerting.rules.engine import AlertEngine
from alerting.rules.files import read_group, read_rules
from alerting.variables import names_in, render_query
from components.yaml_file import YamlFile
from telemetry.errors import ConfigError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from alerting.promql.expression import Expression
    from alerting.rules.files import RuleGroup
    from telemetry.json_object import JsonObject

VERSION = 1
MAX_GROUPS = 1_000
"""Most groups in all namespaces together."""
MAX_BYTES = 512 << 10
"""Most bytes of their texts: the snapshot of them is one record of the changelog."""
ALERT_SERIES = ("ALERTS", "ALERTS_FOR_STATE")
"""What alerting rules write."""
NAMESPACE = "[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
"""What a namespace may be called."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """A group as YAML and as it is used; None where this release cannot use it."""

    text: str
    group: RuleGroup | None


_Namespaces = dict[str, dict[str, _Kept]]


class RuleBook:
    """Holds the rules of all engines: each environment has one, and all have the same rules.

    Args:
        engines: evaluate them.
        files: groups of files.
        now: nanoseconds since the epoch; of two versions of a namespace the later counts.
    """

    def __init__(self, *engines: AlertEngine, files: Sequence[RuleGroup] = (), now: Callable[[], int] = lambda: 0) -> None:
        self._now = now
        self._changed: dict[str, int] = {}  # when a namespace was changed last, also where it is gone
        self._engines = list(engines)
        self._files = tuple(files)
        self.has_global = any(group.is_global for group in files)
        """Whether any group is evaluated once over all environments."""
        self.stored_for = 0
        """How far back rules can read the store of samples, ns."""
        self._namespaces: _Namespaces = {}
        self._alerts_read: tuple[object, bool] | None = None

    def attach(self, engine: AlertEngine) -> None:
        """One more engine has these rules from now on."""
        engine.replace_rules(_of_scope(engine, self._groups(self._files, self._namespaces)))
        self._engines.append(engine)

    def detach(self, engine: AlertEngine) -> None:
        """An engine is given no more rules."""
        self._engines.remove(engine)

    def load_files(self, groups: Sequence[RuleGroup]) -> None:
        """Take the groups of files in place of those before.

        Raises:
            ConfigError: the engine cannot use them.
        """
        self._use(groups, self._namespaces)

    def set(self, namespace: str, text: str) -> None:
        """Take a rule file in place of the whole namespace, or one group that stands alone beside its others.

        Raises:
            ConfigError: `api:namespace:line: reason`, a line for each error; or more than the bounds allow.
        """
        if not re.fullmatch(NAMESPACE, namespace):
            raise ConfigError(f"namespace {namespace!r}: use up to 100 letters, digits, dots, underscores and hyphens")
        file = YamlFile(text, _file(namespace))
        data = file.written()
        if isinstance(data, dict) and "groups" in data:
            loaded = {group.name: group for group in read_rules(file)}
            written, kept = data["groups"] or (), {}
        else:
            group = read_group(file)
            loaded, written, kept = {group.name: group}, (data,), dict(self._namespaces.get(namespace, {}))
        for each in written:
            kept[each["name"]] = _Kept(_yaml(each, loaded[each["name"]]), loaded[each["name"]])
        for group in loaded.values():
            _check_names(group)
        self._use(self._files, {**self._namespaces, namespace: kept})
        self._note_change(namespace, self._now())

    def remove(self, namespace: str, group: str | None = None) -> bool:
        """Remove a group, or the whole namespace; whether there was one."""
        kept = self._namespaces.get(namespace, {})
        if not kept or (group is not None and group not in kept):
            return False
        left = {} if group is None else {name: each for name, each in kept.items() if name != group}
        self._use(self._files, {**self._namespaces, namespace: left})
        self._note_change(namespace, self._now())
        return True

    def _note_change(self, namespace: str, at: int) -> None:
        self._changed.pop(namespace, None)
        self._changed[namespace] = at
        gone = [name for name in self._changed if name not in self._namespaces]
        for name in gone[: max(0, len(gone) - MAX_GROUPS)]:
            del self._changed[name]

    def texts(self, namespace: str) -> dict[str, str]:
        """Each group of a namespace as YAML, by name."""
        return {name: kept.text for name, kept in self._namespaces.get(namespace, {}).items()}

    def writers(self, expressions: Sequence[str]) -> frozenset[str]:
        """Namespaces whose rules write series that the rules of files, or these expressions with any labels, may read."""
        if not self._namespaces:
            return frozenset()
        read = self._reads_alerts(expressions)
        return frozenset(
            namespace
            for namespace, kept in self._namespaces.items()
            for each in kept.values()
            if each.group is not None and any(rule.kind != "alert" or read for rule in each.group.rules)
        )

    def _reads_alerts(self, expressions: Sequence[str]) -> bool:
        """Whether the series that alerts write are read; asked again only where something changed."""
        key = (self._files, tuple(expressions))
        if self._alerts_read is None or self._alerts_read[0] != key:
            of_files = [rule.expr for group in self._files for rule in group.rules]
            asked = [
                compile_expression(render_query(text, dict.fromkeys(names_in(text), ALERT_SERIES[0]))) for text in expressions
            ]
            self._alerts_read = key, any(_reads_alerts(each) for each in (*of_files, *asked))
        return self._alerts_read[1]

    def snapshot(self) -> JsonObject:
        """The namespaces as plain data. Files are read again."""
        namespaces = {namespace: self.texts(namespace) for namespace in self._namespaces}
        return {"version": VERSION, "namespaces": namespaces, "changed": dict(self._changed)}

    def changes(self, since: int) -> list[JsonObject]:
        """The namespaces that were changed at a time or later, as others merge them."""
        return [
            {"namespace": namespace, "changed_at": at, "groups": self.texts(namespace)}
            for namespace, at in self._changed.items()
            if at >= since
        ]

    def merge(self, changes: Sequence[JsonObject]) -> list[str]:
        """Take the namespaces that were changed later than those that are held; see `restore`."""
        later = [each for each in changes if each["changed_at"] > self._changed.get(each["namespace"], -1)]
        if not later:
            return []
        namespaces = {each["namespace"]: each["groups"] for each in later}
        refused = self._restore({name: self.texts(name) for name in self._namespaces} | namespaces)
        for each in later:
            self._note_change(each["namespace"], each["changed_at"])
        return refused

    def restore(self, state: JsonObject) -> list[str]:
        """Take a snapshot; of a namespace that is held the version changed last stays.

        Returns:
            Why groups cannot be used by this release; they are kept, so that they can be read and replaced.

        Raises:
            InputError: a snapshot of another version.
        """
        if state["version"] != VERSION:
            raise InputError(f"rules: snapshot version {state['version']!r}; this release reads {VERSION}")
        changed = state.get("changed", {})
        return self.merge(
            [
                {"namespace": namespace, "changed_at": changed.get(namespace, 0), "groups": groups}
                for namespace, groups in {**{name: {} for name in changed}, **state["namespaces"]}.items()
            ]
        )

    def _restore(self, texts_of: dict[str, dict[str, str]]) -> list[str]:
        problems: list[str] = []
        namespaces: _Namespaces = {}
        for namespace, texts in texts_of.items():
            for name, text in texts.items():
                group = None
                try:
                    group = read_group(YamlFile(text, _file(namespace)))
                    _check_names(group)
                    self._check((group,))
                except ConfigError as error:
                    group = None
                    problems.append(str(error))
                namespaces.setdefault(namespace, {})[name] = _Kept(text, group)
        self._use(self._files, namespaces)
        return problems

    def _use(self, files: Sequence[RuleGroup], namespaces: _Namespaces) -> None:
        namespaces = {namespace: kept for namespace, kept in namespaces.items() if kept}
        all_ = [each for kept in namespaces.values() for each in kept.values()]
        size = sum(len(each.text.encode()) for each in all_)
        if len(all_) > MAX_GROUPS or size > MAX_BYTES:
            raise ConfigError(
                f"{len(all_)} groups of {size} bytes in all namespaces; at most {MAX_GROUPS} of {MAX_BYTES}: "
                "remove some, or put them into a file"
            )
        groups = self._groups(files, namespaces)
        self._check(groups)  # by all, before one takes them
        for engine in self._engines:
            engine.replace_rules(_of_scope(engine, groups))
        self._files, self._namespaces = tuple(files), namespaces
        self.has_global = any(group.is_global for group in groups)

    def _check(self, groups: Sequence[RuleGroup]) -> None:
        to_come = [AlertEngine(stored_for=self.stored_for, is_global=is_global) for is_global in (False, True)]
        for engine in (*self._engines, *to_come):
            engine.check(_of_scope(engine, groups))

    @staticmethod
    def _groups(files: Sequence[RuleGroup], namespaces: _Namespaces) -> list[RuleGroup]:
        of_namespaces = [each.group for kept in namespaces.values() for each in kept.values()]
        return [*files, *(group for group in of_namespaces if group is not None)]


def _check_names(group: RuleGroup) -> None:
    own = next((rule.name for rule in group.rules if rule.name in RESERVED), None)
    if own is not None:
        raise ConfigError(f"{group.file}: the alert {own} is Spanloom's own, which no rule over HTTP may send")


def _of_scope(engine: AlertEngine, groups: Sequence[RuleGroup]) -> list[RuleGroup]:
    return [group for group in groups if group.is_global == engine.is_global]


def _reads_alerts(expression: Expression) -> bool:
    names = [[matcher for matcher in selector if matcher.name == NAME] for selector in expression.selectors]
    return any(all(matcher.matches(name) for matcher in each) for each in names for name in ALERT_SERIES)


def _yaml(written: JsonObject, group: RuleGroup) -> str:
    """A group as it was written, with its one number as a number: clients in Go read no text as one."""
    limit = {"limit": group.limit} if written.get("limit") is not None else {}
    return str(yaml.safe_dump(written | limit, allow_unicode=True, sort_keys=False))


def _file(namespace: str) -> str:
    """What stands for the file's name in groups and errors."""
    return f"api:{namespace}"
