"""Alertmanager's configuration file, made ready for use: checked as a whole, what is left open filled in."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import structlog
from pydantic import BaseModel, SecretStr

from alerting.alertmanager.config_file import file_model
from alerting.alertmanager.inhibition import InhibitRule, TopologyRule
from alerting.alertmanager.routes import GROUP_INTERVAL, GROUP_WAIT, REPEAT_INTERVAL, Route
from alerting.notify.library import read_library
from alerting.notify.notification import Integration
from alerting.notify.text import compile_texts
from alerting.promql.matchers import Matcher, MatchType
from components.durations import MINUTE
from components.secrets import SECRETS
from components.yaml_file import YamlFile
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from alerting.alertmanager.config_file import AlertmanagerFile, RouteConfig
    from alerting.alertmanager.time_intervals import TimeInterval
    from alerting.notify.build import NotifierComponent
    from alerting.notify.library import Library
    from alerting.notify.receiver import ReceiverConfig

log = structlog.get_logger(__name__)

MAX_ROUTE_DEPTH = 50


class Wrong(Protocol):
    """Takes what is wrong at a path in the file, and which character of the text there is the first that is."""

    def __call__(self, path: Sequence[str | int], reason: str, at: int | None = None, /) -> None:
        """Report it."""
        ...


FOREIGN = frozenset({"topology_inhibit_rules", "apprise_configs", "tracing"})
"""Fields that Alertmanager does not have, or that have no effect here: of the file, or of a receiver."""


@dataclass(frozen=True, slots=True)
class AlertmanagerConfig:
    """A configuration ready for use."""

    root: Route
    integrations: Mapping[str, Sequence[Integration]]
    receivers: Mapping[str, ReceiverConfig]  # by id of the integration
    inhibit: tuple[InhibitRule, ...] = ()
    topology: tuple[TopologyRule, ...] = ()
    intervals: Mapping[str, Sequence[TimeInterval]] | None = None
    resolve_timeout: int = 5 * MINUTE
    original: str = ""
    templates: tuple[Path, ...] = ()  # as named, with wildcards
    library: Library = field(default_factory=dict)


def parse_config(text: str, name: str, notifiers: tuple[NotifierComponent, ...]) -> AlertmanagerConfig:
    """A configuration file, checked as a whole, with the templates that it names. Relative paths begin at its folder.

    Args:
        text: the file.
        name: what errors call it.
        notifiers: those that its receivers may name.

    Raises:
        ConfigError: `file:line: field: reason`, a line for each error.
    """
    file = YamlFile(text, name)
    context = {"folder": Path(name).parent}
    written, problems = file.read_what_is_right(file_model(notifiers), context, as_written=True)
    if written is None:
        raise ConfigError("\n".join(problems))
    _name_ignored(written, name)
    SECRETS.add_all(written)
    try:
        library = read_library(written.templates)
    except ConfigError as error:
        problems.append(str(error))
        library = None

    def wrong(path: Sequence[str | int], reason: str, at: int | None = None) -> None:
        problems.append(str(file.error(path, reason, at)))

    names = [receiver.name for receiver in written.receivers]
    for i, receiver in enumerate(names):
        if receiver in names[:i]:
            wrong(("receivers", i, "name"), f'receiver "{receiver}" is defined twice')
    intervals: dict[str, list[TimeInterval]] = {}
    for section in ("time_intervals", "mute_time_intervals"):
        for i, named in enumerate(getattr(written, section)):
            if named.name in intervals:
                wrong((section, i, "name"), f'time interval "{named.name}" is defined twice')
            intervals[named.name] = named.time_intervals
    _check_root(written.route, wrong)
    known = {name for section in ("time_intervals", "mute_time_intervals") for name in _named(file.data, section)}
    _check_routes(written.route, ("route",), _named(file.data, "receivers"), known, wrong)
    integrations, receivers = _receivers(file, written, library, wrong)
    if library is None or problems:
        raise ConfigError("\n".join(sorted(problems, key=file.order)))
    return AlertmanagerConfig(
        _route(written.route, Route(written.route.receiver, key="")),
        integrations,
        receivers,
        tuple(
            InhibitRule(
                _all(rule.source_match, rule.source_match_re, rule.source_matchers),
                _all(rule.target_match, rule.target_match_re, rule.target_matchers),
                tuple(rule.equal),
            )
            for rule in written.inhibit_rules
        ),
        tuple(
            TopologyRule(rule.culprit_matchers, rule.label, rule.target_matchers, rule.afterwards)
            for rule in written.topology_inhibit_rules
        ),
        intervals,
        written.settings.resolve_timeout,
        _shown(file, _secrets(written)),
        tuple(written.templates),
        library,
    )


def _named(data: object, section: str) -> set[str]:
    """The names in a section, also of what is wrong in it otherwise."""
    found = data.get(section) if isinstance(data, dict) else None
    return {str(one.get("name")) for one in (found if isinstance(found, list) else ()) if isinstance(one, dict)}


def _secrets(value: object) -> set[str]:
    match value:
        case SecretStr():
            return {value.get_secret_value()} - {""}
        case BaseModel():
            return set().union(*(_secrets(each) for _, each in value))
        case list() | tuple():
            return set().union(*map(_secrets, value))
    return set()


def _shown(file: YamlFile, secrets: set[str]) -> str:
    """What the API shows to whoever asks: without secrets, and without fields that no Alertmanager has.

    Clients such as amtool read it as a configuration, and refuse all of it for a field that they do not know.
    """
    text = file.pruned(lambda path: path[-1] in FOREIGN and len(path) in {1, 3})
    return SECRETS.mask(YamlFile(text, file.name).without(secrets))


def _name_ignored(written: AlertmanagerFile, name: str) -> None:
    if written.tracing is not None:
        log.warning("receivers_field_ignored", file=name, field="tracing", hint="the section metrics.otlp exports metrics")


def _check_root(root: RouteConfig, wrong: Wrong) -> None:
    if not root.receiver:
        wrong(("route",), "the root route needs a receiver")
    if root.match or root.match_re or root.matchers:
        wrong(("route",), "the root route matches every alert and must not have matchers")
    if root.continues:
        wrong(("route", "continue"), "cannot have continue in the root route")
    if root.mute_time_intervals or root.active_time_intervals:
        wrong(("route",), "the root route must not have mute or active time intervals")


def _check_routes(
    route: RouteConfig, path: tuple[str | int, ...], receivers: AbstractSet[str], intervals: AbstractSet[str], wrong: Wrong
) -> None:
    if route.receiver and route.receiver not in receivers:
        wrong((*path, "receiver"), f'receiver "{route.receiver}" is not defined')
    for kind in ("mute_time_intervals", "active_time_intervals"):
        for name in getattr(route, kind):
            if name not in intervals:
                wrong((*path, kind), f'time interval "{name}" is not defined')
    for wait in ("group_interval", "repeat_interval"):
        if getattr(route, wait) == 0:
            wrong((*path, wait), f"{wait} cannot be zero")
    if len(path) > 2 * MAX_ROUTE_DEPTH:
        wrong(path, f"routes nested deeper than {MAX_ROUTE_DEPTH}")
        return
    for i, child in enumerate(route.routes):
        _check_routes(child, (*path, "routes", i), receivers, intervals, wrong)


def _all(match: Mapping[str, str], match_re: Mapping[str, str], matchers: tuple[Matcher, ...]) -> tuple[Matcher, ...]:
    old = [Matcher.of(name, MatchType.EQUAL, value) for name, value in match.items()]
    old += [Matcher.of(name, MatchType.REGEX, value) for name, value in match_re.items()]
    return tuple(sorted((*old, *matchers), key=lambda matcher: (matcher.name, matcher.value, matcher.type)))


def _route(written: RouteConfig, parent: Route) -> Route:
    matchers = _all(written.match, written.match_re, written.matchers)
    own = "{" + ",".join(map(str, matchers)) + "}"
    root = parent.key == ""
    route = Route(
        written.receiver or parent.receiver,
        matchers,
        parent.group_by if written.group_by is None else frozenset(written.group_by),
        _given(written.group_wait, GROUP_WAIT if root else parent.group_wait),
        _given(written.group_interval, GROUP_INTERVAL if root else parent.group_interval),
        _given(written.repeat_interval, REPEAT_INTERVAL if root else parent.repeat_interval),
        written.continues,
        tuple(written.mute_time_intervals),
        tuple(written.active_time_intervals),
        (),
        own if root else f"{parent.key}/{own}",
    )
    children = tuple(_route(child, route) for child in written.routes)
    return replace(route, routes=children)


def _given(value: int | None, default: int) -> int:
    return default if value is None else value


def _as_yaml(file: YamlFile, path: Sequence[str | int], config: ReceiverConfig) -> dict[str, object]:
    """What a receiver sends on as YAML reads it; the file as a whole is read as text."""
    node = file.data
    for step in file.origin(path) if config.as_yaml else ():
        node = node[step]
    return {name: node[name] for name in config.as_yaml if node.get(name) is not None}


def _receivers(
    file: YamlFile, written: AlertmanagerFile, library: Library | None, wrong: Wrong
) -> tuple[dict[str, list[Integration]], dict[str, ReceiverConfig]]:
    integrations: dict[str, list[Integration]] = {}
    configs: dict[str, ReceiverConfig] = {}
    for r, receiver in enumerate(written.receivers):
        integrations[receiver.name] = []
        numbers: Counter[str] = Counter()
        for i, (kind, config) in enumerate(receiver.ways()):
            place = ("receivers", r, f"{kind}_configs")
            integration = Integration(receiver.name, kind, i, config.send_resolved)
            integrations[receiver.name].append(integration)
            item = (*place, numbers[kind])
            typed = _as_yaml(file, item, config)
            numbers[kind] += 1
            filled = configs[integration.id] = config.model_copy(update=typed).with_defaults(written.settings)
            if lacks := filled.missing():
                wrong(item, lacks)
            for name, text in filled.texts().items() if library is not None else ():
                try:
                    compile_texts({name: text}, "", library)
                except ConfigError as error:
                    wrong((*item, *name.split(".")), str(error), error.at)
    return integrations, configs
