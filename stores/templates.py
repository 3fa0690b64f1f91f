"""Index templates and lifecycle of the data streams, installed once and again without harm.

The templates name only the data streams that Spanloom writes, at a priority above Elasticsearch's own `*-otel@template`:
OpenTelemetry data of other data sets in the cluster is left as it is.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from elasticsearch import ApiError, BadRequestError, NotFoundError, TransportError

from stores.elasticsearch_access import refusal
from stores.mappings import SIGNALS, mappings
from stores.store import TRAIL
from telemetry.documents import Kind

if TYPE_CHECKING:
    from elasticsearch import AsyncElasticsearch

VERSION = 4
"""Of all templates together. Raise it with every change of a mapping or setting."""

PRIORITY = 500

_SIGNAL_TYPES = {Kind.SPAN: "traces", Kind.LOG: "logs", Kind.METRIC: "metrics"}


class Outcome(StrEnum):
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
    outcome: Outcome
    reason: str = ""


def data_stream(kind: Kind, namespace: str) -> str:
    """The data stream of a kind: `traces-generic.otel-default`, `spanloom-hop-default`."""
    return f"{_SIGNAL_TYPES[kind]}-generic.otel-{namespace}" if kind in SIGNALS else f"spanloom-{kind}-{namespace}"


async def install(client: AsyncElasticsearch, keep_days: int = 0) -> list[Installed]:
    """Install or update the templates of all data streams, in every namespace.

    Args:
        client: of the cluster.
        keep_days: after which Elasticsearch deletes documents (data stream lifecycle); 0 keeps them, as it does the `TRAIL`.

    Returns:
        What became of each template, what the server lacks included.

    Raises:
        StoreError: the server cannot be reached, or refuses what the store cannot do without.
    """
    report: list[Installed] = []
    try:
        optional: dict[str, list[str]] = {}
        for name, kinds, template in _optional(keep_days):
            installed = await _component(client, name, template)
            report.append(installed)
            if installed.outcome is Outcome.SKIPPED:
                continue
            for kind in kinds:
                optional.setdefault(kind, []).append(name)
                if "lifecycle" in template and installed.outcome in {Outcome.CREATED, Outcome.UPDATED}:
                    await _live_by(client, data_stream(kind, "*"), template["lifecycle"])
        report += [await _index_template(client, kind, optional.get(kind, [])) for kind in Kind]
    except (ApiError, TransportError) as error:
        raise refusal(error) from error
    return report


def _optional(keep_days: int) -> list[tuple[str, list[Kind], dict[str, Any]]]:
    """What makes a better index where the server has it: name, whose, template."""
    kept: dict[str, Any] = {"enabled": True}
    lifecycle = kept | ({"data_retention": f"{keep_days}d"} if keep_days else {})
    body = {"properties": {"text": {"type": "match_only_text"}}}
    parts = {f"data_stream.{part}": {"type": "constant_keyword"} for part in ("type", "dataset", "namespace")}
    return [
        ("spanloom-lifecycle", [kind for kind in Kind if kind not in TRAIL], {"lifecycle": lifecycle}),
        ("spanloom-lifecycle-kept", sorted(TRAIL), {"lifecycle": kept}),
        ("spanloom-match-only-text", [Kind.LOG], {"mappings": {"properties": {"body": body}}}),
        ("spanloom-data-stream-fields", list(SIGNALS), {"mappings": {"properties": parts}}),
    ]


async def _component(client: AsyncElasticsearch, name: str, template: dict[str, Any]) -> Installed:
    try:
        found = await client.cluster.get_component_template(name=name)
        known = found["component_templates"][0]["component_template"]
    except NotFoundError:
        known = None
    outcome = _outcome(known, template.get("lifecycle"))
    if outcome in {Outcome.UNCHANGED, Outcome.NEWER}:
        return Installed(name, outcome)
    try:
        await client.cluster.put_component_template(name=name, template=template, version=VERSION)
    except BadRequestError as error:
        return Installed(name, Outcome.SKIPPED, _reason(error))
    return Installed(name, outcome)


async def _index_template(client: AsyncElasticsearch, kind: Kind, optional: list[str]) -> Installed:
    name = f"spanloom-{kind}"
    try:
        found = await client.indices.get_index_template(name=name)
        known = found["index_templates"][0]["index_template"]
    except NotFoundError:
        known = None
    outcome = _outcome(known)
    if outcome is Outcome.UNCHANGED and known is not None and known["composed_of"] != [f"{name}@mappings", *optional]:
        outcome = Outcome.UPDATED  # the server offers more, or less, than last time
    if outcome in {Outcome.UNCHANGED, Outcome.NEWER}:
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
    if outcome is Outcome.UPDATED:
        await _roll_over(client, data_stream(kind, "*"))
    return Installed(name, outcome)


async def _live_by(client: AsyncElasticsearch, streams: str, lifecycle: dict[str, Any]) -> None:
    """A data stream takes the lifecycle of its template when it is made, and never again by itself."""
    found = await client.indices.resolve_index(name=streams)
    with suppress(BadRequestError):  # a server without the module takes the template, and deletes nothing
        for stream in found["data_streams"]:
            await client.indices.put_data_lifecycle(name=stream["name"], **lifecycle)


async def _roll_over(client: AsyncElasticsearch, streams: str) -> None:
    """A template is for indices to come: with its next document each data stream begins one."""
    found = await client.indices.resolve_index(name=streams)
    for stream in found["data_streams"]:
        await client.indices.rollover(alias=stream["name"], lazy=True)


def _outcome(known: dict[str, Any] | None, lifecycle: dict[str, Any] | None = None) -> Outcome:
    """What is to become of a template, given what the server has."""
    if known is None:
        return Outcome.CREATED
    if known.get("version", 0) > VERSION:
        return Outcome.NEWER
    if known.get("version") == VERSION and (lifecycle is None or known["template"].get("lifecycle") == lifecycle):
        return Outcome.UNCHANGED
    return Outcome.UPDATED


def _reason(error: ApiError) -> str:
    cause = error.body.get("error", {}) if isinstance(error.body, dict) else {}
    return str(cause.get("reason", error)) if isinstance(cause, dict) else str(cause)
