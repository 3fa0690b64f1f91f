"""Policies out of a file: every mistake with its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.yaml_file import YamlFile
from governance.model import FaultPolicy, Policies
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from components.yaml_file import Path

SINGLE = frozenset({"routes", "retries", "timeouts", "breakers", "mirrors", "faults", "mtls", "collection"})
"""Sections of which a service has one policy: of two it would be unclear which holds. Of faults it has one for each side,
and at instances one for each set of labels."""


def read_policies(text: str, name: str) -> Policies:
    """The policies of a document.

    Args:
        text: YAML.
        name: of the file, for errors.

    Raises:
        ConfigError: everything that is wrong in it, a line for each, `NAME:LINE:COLUMN: reason`.
    """
    if not text.strip():
        raise ConfigError(f"{name}: the file is empty; to take all policies away, write {{}}")
    file = YamlFile(text, name)
    found, problems = file.read_what_is_right(Policies, passes=1)
    if found is not None:
        problems += [str(file.error(path, reason)) for path, reason in _conflicts(found)]
    if problems or found is None:
        raise ConfigError("\n".join(sorted(set(problems), key=file.order)))
    return found


def _conflicts(policies: Policies) -> Iterator[tuple[Path, str]]:
    names: set[str] = set()
    hosts: dict[str, str] = {}
    for at, entry in enumerate(policies.services):
        if entry.name in names:
            yield ("services", at, "name"), f'services: "{entry.name}" stands here twice'
        names.add(entry.name)
        for host in {entry.name, *entry.hosts}:
            if hosts.setdefault(host.lower(), entry.name) != entry.name:
                yield ("services", at, "hosts"), f'services: "{host}" already means {hosts[host.lower()]}'
    yield from _unknown_targets(policies, names)
    yield from _unreached_faults(policies)
    for section, found in policies.sections():
        seen: set[str] = set()
        governed: dict[str, str] = {}
        for at, policy in enumerate(found):
            if policy.name in seen:
                yield (section, at, "name"), f'{section}: "{policy.name}" stands here twice'
            seen.add(policy.name)
            side = f" {_side(policy)}" if isinstance(policy, FaultPolicy) else ""
            key = policy.service + side
            if section in SINGLE and governed.setdefault(key, policy.name) != policy.name:
                yield (
                    (section, at, "service"),
                    f'{section}: {key} already has "{governed[key]}"; write both as one',
                )


def _unknown_targets(policies: Policies, names: Collection[str]) -> Iterator[tuple[Path, str]]:
    for at, route in enumerate(policies.routes):
        for rule_at, rule in enumerate(route.rules):
            for to_at, target in enumerate(rule.to):
                if target.service and target.service not in names:
                    yield ("routes", at, "rules", rule_at, "to", to_at, "service"), f'routes: no service "{target.service}"'
    for at, mirror in enumerate(policies.mirrors):
        if mirror.to.service and mirror.to.service not in names:
            yield ("mirrors", at, "to", "service"), f'mirrors: no service "{mirror.to.service}"'


def _side(fault: FaultPolicy) -> str:
    """What a service has one fault of: a side, and at instances also their labels."""
    labels = ",".join(f"{key}={value}" for key, value in sorted(fault.labels.items()))
    return f"{fault.side} {labels}" if labels and fault.side == "inbound" else fault.side


def _unreached_faults(policies: Policies) -> Iterator[tuple[Path, str]]:
    sent = {
        (target.service or route.service, tuple(sorted(target.labels.items())))
        for route in policies.routes
        for rule in route.rules
        for target in rule.targets
    }
    for at, fault in enumerate(policies.faults):
        key = (fault.service, tuple(sorted(fault.labels.items())))
        if fault.side == "outbound" and fault.labels and key not in sent:
            yield ("faults", at, "labels"), f"faults: no route of {fault.service} sends requests to instances by these labels"
