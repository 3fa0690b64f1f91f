"""Policies out of what others write: Envoy's routes, Istio's VirtualService, DestinationRule and PeerAuthentication.

What cannot be carried over is an error with its place in the file, and never dropped silently.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from components.yaml_file import MAX_BYTES, YamlFile
from governance.files import read_policies
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from components.yaml_file import Path
    from telemetry.json_object import JsonObject

MAX_DOCUMENTS = 200
_CLUSTER_SUFFIX = ".svc.cluster.local"
_HEADER_FORMS = {"exact_match": "exact", "prefix_match": "prefix", "safe_regex_match": "regex"}


class _Import:
    """What was found so far, as a document of policies."""

    def __init__(self, file: YamlFile) -> None:
        self.file = file
        self.services: dict[str, JsonObject] = {}
        self.sections: dict[str, list[JsonObject]] = {}

    def service(self, name: str, *hosts: str) -> str:
        """A service that is named."""
        entry = self.services.setdefault(name, {"name": name})
        if known := sorted({*entry.get("hosts", ()), *hosts} - {name}):
            entry["hosts"] = known
        return name

    def add(self, section: str, **policy: object) -> None:
        """A policy."""
        self.sections.setdefault(section, []).append(policy)

    def only(self, data: object, path: Path, *known: str) -> JsonObject:
        """A mapping that has these keys alone."""
        if not isinstance(data, dict):
            raise self.file.error(path, "must be a mapping")
        for key in data:
            if key not in known:
                raise self.file.error((*path, key), f"{key}: cannot be imported; write it as a policy, or remove it")
        return data

    def items(self, data: object, path: Path) -> list[object]:
        """A list; nothing is an empty one."""
        if data is not None and not isinstance(data, list):
            raise self.file.error(path, "must be a list")
        return data or []


def import_policies(text: str, name: str, subsets: Mapping[str, Mapping[str, str]] | None = None) -> str:
    """A document of policies that does what a file of Envoy or Istio does.

    Args:
        text: YAML, of one document or several.
        name: of the file, for errors.
        subsets: labels of Istio's subsets that no DestinationRule here defines; of others `version: SUBSET` is assumed.

    Raises:
        ConfigError: it is neither, or has something that cannot be carried over; says where.
    """
    if len(text) > MAX_BYTES:
        raise ConfigError(f"{name}: {len(text)} characters; at most {MAX_BYTES}")
    documents = [part for part in text.replace("\r\n", "\n").split("\n---") if part.strip(" -\n")]
    if len(documents) > MAX_DOCUMENTS:
        raise ConfigError(f"{name}: {len(documents)} documents; at most {MAX_DOCUMENTS}")
    files = [
        YamlFile(part.removeprefix("---"), name if len(documents) == 1 else f"{name}#{at}")
        for at, part in enumerate(documents, 1)
    ]
    labels: dict[str, Mapping[str, str]] = {**(subsets or {})}
    for file in files:
        labels |= _subsets(file)
    services: dict[str, JsonObject] = {}
    sections: dict[str, list[JsonObject]] = {}
    for file in files:
        found = _Import(file)
        _one(found, labels)
        for entry in found.services.values():
            services[entry["name"]] = {**services.get(entry["name"], {}), **entry}
        for section, policies in found.sections.items():
            sections.setdefault(section, []).extend(policies)
    written = yaml.safe_dump({"services": list(services.values()), **sections}, sort_keys=False, allow_unicode=True)
    read_policies(written, f"{name}, imported")
    return written


def _one(found: _Import, subsets: Mapping[str, Mapping[str, str]]) -> None:
    data = found.file.data
    if not isinstance(data, dict):
        raise found.file.error((), "neither a route_config of Envoy nor an object of Istio")
    kinds: dict[str, Callable[[_Import, JsonObject], None]] = {
        "VirtualService": lambda one, spec: _virtual_service(one, spec, subsets),
        "DestinationRule": lambda _one, _spec: None,  # its subsets are read before
        "PeerAuthentication": _peer_authentication,
    }
    if "route_config" in data or "virtual_hosts" in data or "routes" in data:
        _envoy(found, data)
    elif (kind := data.get("kind")) in kinds and isinstance(data.get("spec"), dict):
        kinds[kind](found, data["spec"])
    else:
        raise found.file.error(("kind",), f"neither a route_config of Envoy nor one of {', '.join(kinds)} of Istio")


def short(host: str) -> str:
    """The service that a host of Istio names: NAME, or NAMESPACE/NAME where it has a namespace."""
    parts = host.removesuffix(_CLUSTER_SUFFIX).split(".")
    return f"{parts[1]}/{parts[0]}" if len(parts) == 2 and host.endswith(_CLUSTER_SUFFIX) else host


# Istio


def _subsets(file: YamlFile) -> dict[str, Mapping[str, str]]:
    data = file.data if isinstance(file.data, dict) else {}
    if data.get("kind") != "DestinationRule" or not isinstance(data.get("spec"), dict):
        return {}
    spec = _Import(file).only(data["spec"], ("spec",), "host", "subsets")
    found = {}
    for at, each in enumerate(_Import(file).items(spec.get("subsets"), ("spec", "subsets"))):
        one = _Import(file).only(each, ("spec", "subsets", at), "name", "labels")
        found[f"{short(str(spec.get('host')))}|{one.get('name')}"] = one.get("labels") or {}
    return found


def _peer_authentication(found: _Import, spec: JsonObject) -> None:
    found.only(spec, ("spec",), "mtls", "selector")
    mode = found.only(spec.get("mtls"), ("spec", "mtls"), "mode").get("mode")
    if mode not in {"STRICT", "PERMISSIVE"}:
        raise found.file.error(("spec", "mtls", "mode"), f"mtls.mode: {mode!r} is neither STRICT nor PERMISSIVE")
    selector = found.only(spec.get("selector", {}), ("spec", "selector"), "matchLabels")
    labels = found.only(selector.get("matchLabels", {}), ("spec", "selector", "matchLabels"), "app", "app.kubernetes.io/name")
    service = str(labels.get("app") or labels.get("app.kubernetes.io/name") or "*")
    found.add("mtls", name="imported" if service == "*" else f"{service}-mtls", service=service, mode=mode.lower())


def _virtual_service(found: _Import, spec: JsonObject, subsets: Mapping[str, Mapping[str, str]]) -> None:
    found.only(spec, ("spec",), "hosts", "http", "gateways", "exportTo")
    hosts = [str(each) for each in found.items(spec.get("hosts"), ("spec", "hosts"))]
    if not hosts:
        raise found.file.error(("spec", "hosts"), "hosts: name at least one")
    service = found.service(short(hosts[0]), *hosts)
    rules: list[JsonObject] = []
    for at, entry in enumerate(found.items(spec.get("http"), ("spec", "http"))):
        path: Path = ("spec", "http", at)
        route = found.only(entry, path, "name", "match", "route", "timeout", "retries")
        to = [
            _destination(found, each, (*path, "route", number), service, subsets)
            for number, each in enumerate(found.items(route.get("route"), (*path, "route")))
        ]
        matches = found.items(route.get("match"), (*path, "match")) or [{}]
        for number, each in enumerate(matches):
            rules.append({"match": _istio_match(found, each, (*path, "match", number)), "to": to})
        if "timeout" in route:
            found.add("timeouts", name=_policy_name(service), service=service, request=route["timeout"])
        if "retries" in route:
            retries = found.only(route["retries"], (*path, "retries"), "attempts", "perTryTimeout")
            extra = {"per_try": retries["perTryTimeout"]} if "perTryTimeout" in retries else {}
            found.add("retries", name=_policy_name(service), service=service, attempts=retries.get("attempts", 2), **extra)
    if rules:
        found.add("routes", name=_policy_name(service), service=service, rules=rules)


def _destination(
    found: _Import, data: object, path: Path, service: str, subsets: Mapping[str, Mapping[str, str]]
) -> JsonObject:
    one = found.only(data, path, "destination", "weight")
    where = found.only(one.get("destination"), (*path, "destination"), "host", "subset", "port")
    target = found.service(short(str(where.get("host"))))
    labels = {}
    if subset := where.get("subset"):
        labels = dict(subsets.get(f"{target}|{subset}", {"version": str(subset)}))
    return {
        **({"labels": labels} if labels else {}),
        **({"service": target} if target != service else {}),
        **({"weight": one["weight"]} if "weight" in one else {}),
    }


def _istio_match(found: _Import, data: object, path: Path) -> JsonObject:
    one = found.only(data, path, "uri", "method", "headers", "name")
    match: JsonObject = {}
    if "uri" in one:
        form, value = _form(found, one["uri"], (*path, "uri"))
        match[{"exact": "path", "prefix": "prefix", "regex": "regex"}[form]] = value
    if "method" in one:
        form, value = _form(found, one["method"], (*path, "method"))
        if form != "exact":
            raise found.file.error((*path, "method"), "method: only exact can be imported")
        match["methods"] = [value]
    if headers := one.get("headers"):
        found.only(headers, (*path, "headers"), *headers)
        match["headers"] = [
            {"name": name, **dict([_form(found, each, (*path, "headers", name))])} for name, each in headers.items()
        ]
    return match


def _form(found: _Import, data: object, path: Path) -> tuple[str, str]:
    one = found.only(data, path, "exact", "prefix", "regex")
    if len(one) != 1:
        raise found.file.error(path, "name one of exact, prefix and regex")
    ((form, value),) = one.items()
    return form, str(value)


# Envoy


def _envoy(found: _Import, data: JsonObject) -> None:
    root: Path = ("route_config",) if "route_config" in data else ()
    config = found.only(data["route_config"] if root else data, root, "name", "virtual_hosts", "routes")
    hosts = config.get("virtual_hosts")
    if hosts is None:
        _envoy_host(found, config, root, "imported", ("*",))
        return
    for at, entry in enumerate(found.items(hosts, (*root, "virtual_hosts"))):
        path: Path = (*root, "virtual_hosts", at)
        host = found.only(entry, path, "name", "domains", "routes")
        domains = [str(each) for each in found.items(host.get("domains"), (*path, "domains"))]
        _envoy_host(found, host, path, str(host.get("name") or f"imported-{at}"), domains)


def _envoy_host(found: _Import, host: JsonObject, root: Path, name: str, domains: Sequence[str]) -> None:
    service = found.service(name, *domains)
    rules = []
    for at, entry in enumerate(found.items(host.get("routes"), (*root, "routes"))):
        path: Path = (*root, "routes", at)
        route = found.only(entry, path, "name", "match", "route")
        rules.append(
            {
                "match": _envoy_match(found, route.get("match") or {}, (*path, "match")),
                "to": _envoy_targets(found, route.get("route"), (*path, "route")),
            }
        )
    if rules:
        found.add("routes", name=_policy_name(name), service=service, rules=rules)


def _envoy_targets(found: _Import, data: object, path: Path) -> list[JsonObject]:
    action = found.only(data, path, "cluster", "weighted_clusters")
    if "cluster" in action:
        return [{"service": found.service(str(action["cluster"]))}]
    weighted = found.only(action.get("weighted_clusters"), (*path, "weighted_clusters"), "clusters")
    where: Path = (*path, "weighted_clusters", "clusters")
    clusters = [
        found.only(each, (*where, at), "name", "weight") for at, each in enumerate(found.items(weighted.get("clusters"), where))
    ]
    return [{"service": found.service(str(each.get("name"))), "weight": each.get("weight", 0)} for each in clusters]


def _envoy_match(found: _Import, data: object, path: Path) -> JsonObject:
    """A match; one without a path is of every path, which Envoy itself no longer reads."""
    one = found.only(data, path, "path", "prefix", "safe_regex", "headers")
    match: JsonObject = {key: one[key] for key in ("path", "prefix") if key in one}
    if "safe_regex" in one:
        match["regex"] = found.only(one["safe_regex"], (*path, "safe_regex"), "regex", "google_re2").get("regex")
    headers = []
    for at, each in enumerate(found.items(one.get("headers"), (*path, "headers"))):
        where = (*path, "headers", at)
        header = found.only(each, where, "name", "string_match", "present_match", *_HEADER_FORMS)
        forms = {new: header[old] for old, new in _HEADER_FORMS.items() if old in header}
        if "string_match" in header:
            forms |= found.only(header["string_match"], (*where, "string_match"), "exact", "prefix", "safe_regex")
        if "safe_regex" in forms:
            forms["regex"] = forms.pop("safe_regex")
        if isinstance(forms.get("regex"), dict):
            forms["regex"] = forms["regex"].get("regex")
        headers.append({"name": header.get("name"), **forms})
    return {**match, **({"headers": headers} if headers else {})}


def _policy_name(service: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in service.lower()).strip("-")[:60] or "imported"
