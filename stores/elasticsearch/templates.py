"""Index templates and lifecycle of the data streams, installed once and again without harm.

The templates name only the data streams that Spanloom writes, at a priority above Elasticsearch's own `*-otel@template`:
OpenTelemetry data of other data sets in the cluster is left as it is.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from elasticsearch import ApiError, BadRequestError, NotFoundError, TransportError

from stores.elasticsearch.client import refusal
from stores.elasticsearch.mappings import mappings
from stores.layout import SIGNALS
from stores.store import TRAIL
from telemetry.documents import Kind
from telemetry.errors import StoreError

if TYPE_CHECKING:
    from elasticsearch import AsyncElasticsearch

    from telemetry.json_object import JsonObject

VERSION = 10
"""Of all templates together. Raise it with every change of a mapping or setting."""

PRIORITY = 500

_POLICY = "index.lifecycle.name"

_SIGNAL_TYPES = {Kind.SPAN: "traces", Kind.LOG: "logs", Kind.METRIC: "metrics"}
_DATASET = "generic.otel"


class InstallResult(StrEnum):
    """What became of a template."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    NEWER = "left: the server has a newer version"
    SKIPPED = "skipped: the server does not offer it"


@dataclass(frozen=True, slots=True)
class Installed:
    """One template and what became of it; `reason` is the server's where it was skipped."""

    name: str
    outcome: InstallResult
    reason: str = ""


def data_stream(kind: Kind, namespace: str) -> str:
    """The data stream of a kind: `traces-generic.otel-default`, `spanloom-hop-default`."""
    return f"{_SIGNAL_TYPES[kind]}-{_DATASET}-{namespace}" if kind in SIGNALS else f"spanloom-{kind}-{namespace}"


def data_stream_fields(kind: Kind, namespace: str) -> dict[str, object]:
    """What a document of a signal says of its data stream, as Elastic's exporter does; Kibana filters by it."""
    if kind not in SIGNALS:
        return {}
    return {"data_stream": {"type": _SIGNAL_TYPES[kind], "dataset": _DATASET, "namespace": namespace}}


async def install(
    client: AsyncElasticsearch, keep_days: int = 0, ilm_policy: str = "", *, dry_run: bool = False
) -> list[Installed]:
    """Install or update the templates of all data streams, in every namespace.

    Args:
        client: of the cluster.
        dry_run: says what would become of each, and changes nothing.
        keep_days: after which Elasticsearch deletes documents (data stream lifecycle); 0 keeps them, as it does the `TRAIL`.
        ilm_policy: an index lifecycle policy of the cluster that decides it instead, of all but the `TRAIL`.

    Returns:
        What became of each template, what the server lacks included.

    Raises:
        StoreError: the server cannot be reached, has no such policy, or refuses what the store cannot do without.
    """
    report: list[Installed] = []
    try:
        if ilm_policy:
            await _check_policy(client, ilm_policy)
        optional: dict[str, list[str]] = {}
        for name, kinds, template in _optional(keep_days, ilm_policy):
            installed = await _component(client, name, template, dry_run=dry_run)
            report.append(installed)
            if installed.outcome is InstallResult.SKIPPED:
                continue
            for kind in kinds:
                optional.setdefault(kind, []).append(name)
            if "mappings" not in template and installed.outcome is not InstallResult.NEWER and not dry_run:
                report += await _live_by(client, name, kinds, template)
        report += [await _index_template(client, kind, optional.get(kind, []), dry_run=dry_run) for kind in Kind]
    except (ApiError, TransportError) as error:
        raise refusal(error) from error
    return report


def _optional(keep_days: int, ilm_policy: str) -> list[tuple[str, list[Kind], JsonObject]]:
    """What makes a better index where the server has it: name, whose, template."""
    kept: JsonObject = {"lifecycle": {"enabled": True}}
    retained = {"lifecycle": {"enabled": True, "data_retention": f"{keep_days}d"}} if keep_days else kept
    if ilm_policy:
        retained = {"settings": {_POLICY: ilm_policy}}
    body = {"properties": {"text": {"type": "match_only_text"}}}
    parts = {f"data_stream.{part}": {"type": "constant_keyword"} for part in ("type", "dataset", "namespace")}
    return [
        ("spanloom-lifecycle", [kind for kind in Kind if kind not in TRAIL], retained),
        ("spanloom-lifecycle-kept", sorted(TRAIL), kept),
        ("spanloom-match-only-text", [Kind.LOG], {"mappings": {"properties": {"body": body}}}),
        ("spanloom-data-stream-fields", list(SIGNALS), {"mappings": {"properties": parts}}),
    ]


async def _component(client: AsyncElasticsearch, name: str, template: dict[str, object], *, dry_run: bool) -> Installed:
    try:
        found = await client.cluster.get_component_template(name=name, flat_settings=True)
        known = found["component_templates"][0]["component_template"]
    except NotFoundError:
        known = None
    outcome = _outcome(known, template)
    if outcome in {InstallResult.UNCHANGED, InstallResult.NEWER}:
        return Installed(name, outcome)
    try:
        if dry_run:  # of an index that there is none of, so that the server says whether it offers this
            await client.indices.simulate_template(index_patterns=[f"{name}-dry-run"], priority=PRIORITY, template=template)
        else:
            await client.cluster.put_component_template(name=name, template=template, version=VERSION)
    except BadRequestError as error:
        return Installed(name, InstallResult.SKIPPED, _reason(error))
    return Installed(name, outcome)


async def _index_template(client: AsyncElasticsearch, kind: Kind, optional: list[str], *, dry_run: bool) -> Installed:
    name = f"spanloom-{kind}"
    try:
        found = await client.indices.get_index_template(name=name)
        known = found["index_templates"][0]["index_template"]
    except NotFoundError:
        known = None
    outcome = _outcome(known)
    if outcome is InstallResult.UNCHANGED and known is not None and known["composed_of"] != [f"{name}@mappings", *optional]:
        outcome = InstallResult.UPDATED  # the server offers more, or less, than last time
    if outcome in {InstallResult.UNCHANGED, InstallResult.NEWER} or dry_run:
        return Installed(name, outcome)
    # The kind's own mappings are a component too: later components may better them, an index template's own part wins.
    settings = {
        "index.mapping.total_fields.limit": 10_000,
        "index.mapping.total_fields.ignore_dynamic_beyond_limit": True,  # else users' attributes could close the stream
        "index.mapping.ignore_malformed": True,
    }
    await client.cluster.put_component_template(
        name=f"{name}@mappings", template={"mappings": mappings(kind), "settings": settings}, version=VERSION
    )
    await client.indices.put_index_template(
        name=name,
        index_patterns=[data_stream(kind, "*")],
        priority=PRIORITY,
        data_stream={},
        composed_of=[f"{name}@mappings", *optional],
        version=VERSION,
        meta={"description": f"Spanloom: {kind} documents"},
    )
    if outcome is InstallResult.UPDATED:
        await _roll_over(client, data_stream(kind, "*"))
    return Installed(name, outcome)


async def _check_policy(client: AsyncElasticsearch, name: str) -> None:
    try:
        await client.ilm.get_lifecycle(name=name)
    except NotFoundError:
        raise StoreError(f"Elasticsearch has no lifecycle policy {name}: make it first, in Kibana or by _ilm/policy") from None
    except BadRequestError:
        pass  # no policies at all: then it does not take the template, and says so


async def _live_by(client: AsyncElasticsearch, name: str, kinds: list[Kind], template: JsonObject) -> list[Installed]:
    """A data stream gets the lifecycle of its template when it is created, and never again by itself."""
    found = await client.indices.resolve_index(name=[data_stream(kind, "*") for kind in kinds])
    streams = [stream["name"] for stream in found["data_streams"]]
    try:
        for stream in streams:
            if "lifecycle" in template:
                await client.indices.put_data_lifecycle(name=stream, **template["lifecycle"])
                with suppress(BadRequestError):  # a policy of an earlier setup would win; a server without policies has none
                    await client.indices.put_settings(index=stream, settings={_POLICY: None})
            else:
                await client.indices.put_settings(index=stream, settings=template["settings"])
    except BadRequestError as error:
        return [Installed(f"{name} of data streams", InstallResult.SKIPPED, _reason(error))]
    return []


async def _roll_over(client: AsyncElasticsearch, streams: str) -> None:
    """A template is for indices to come: with its next document each data stream begins one."""
    found = await client.indices.resolve_index(name=streams)
    for stream in found["data_streams"]:
        await client.indices.rollover(alias=stream["name"], lazy=True)


def _outcome(known: JsonObject | None, wanted: JsonObject | None = None) -> InstallResult:
    """What is to become of a template, given what the server has."""
    if known is None:
        return InstallResult.CREATED
    if known.get("version", 0) > VERSION:
        return InstallResult.NEWER
    alike = wanted is None or all(known["template"].get(part) == wanted.get(part) for part in ("lifecycle", "settings"))
    return InstallResult.UNCHANGED if alike and known.get("version") == VERSION else InstallResult.UPDATED


def _reason(error: ApiError) -> str:
    cause = error.body.get("error", {}) if isinstance(error.body, dict) else {}
    return str(cause.get("reason", error)) if isinstance(cause, dict) else str(cause)
