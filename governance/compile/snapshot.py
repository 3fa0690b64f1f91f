"""A revision of the policies, for one site of the fleet, as the snapshot that its agent is to have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.durations import SECOND
from components.xds.contract import RUNTIME_LAYER, UNTIL
from governance.compile.clusters import Clusters, own_clusters
from governance.compile.filters import concurrency_on, fault_key, fault_shares
from governance.compile.listeners import listeners
from governance.compile.routes import inbound_routes, outbound_routes
from governance.compile.site import Instance
from governance.model import ServiceEntry, of_service
from governance.xds.snapshot import Kind, snapshot_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from governance.compile.site import Options, Site
    from governance.model import FaultPolicy, Policies
    from governance.xds.snapshot import Snapshot
    from telemetry.json_object import JsonObject


def compile_snapshot(
    revision: str,
    policies: Policies,
    site: Site,
    found: Mapping[str, Sequence[Instance]],
    options: Options,
    now: int,
) -> Snapshot:
    """What an agent at this site is to have.

    Args:
        revision: the name of the revision.
        policies: of the revision.
        site: where the agent stands.
        found: instances by service that agents stand beside.
        options: of the fleet.
        now: faults whose end has passed are off.

    Raises:
        InputError: it cannot be written as Envoy wants it.
    """
    entries = {entry.name: entry for entry in policies.services}
    entries |= {name: ServiceEntry(name=name) for name in sorted(found) if name not in entries}
    written: dict[Kind, list[JsonObject]] = {kind: [] for kind in Kind}
    written[Kind.CLUSTER] = list(own_clusters(site, options))
    written[Kind.LISTENER] = listeners(site, options)
    if site.inbound:
        written[Kind.ROUTES].append(inbound_routes(policies, site, options))
    if site.outbound:
        instances = {name: _instances(entry, found.get(name, ())) for name, entry in entries.items()}
        clusters = Clusters(policies, entries, instances)
        written[Kind.CLUSTER] += clusters.clusters(options)
        written[Kind.ENDPOINTS] += clusters.endpoints()
        written[Kind.ROUTES].append(outbound_routes(policies, entries, site))
    written[Kind.RUNTIME].append({"name": RUNTIME_LAYER, "layer": runtime(policies, site, now)})
    return snapshot_of(revision, written)


def _instances(entry: ServiceEntry, found: Sequence[Instance]) -> list[Instance]:
    written = (Instance(each.address, each.port, tuple(sorted(each.labels.items()))) for each in entry.endpoints)
    return sorted({*written, *found})


def runtime(policies: Policies, site: Site, now: int) -> JsonObject:
    """The runtime layer: what is on for a time, and the share of requests that becomes spans."""
    layer: JsonObject = {}
    for policy in policies.faults:
        if _is_here(policy, site) and policy.until > now:
            layer |= fault_shares(policy)
            layer[UNTIL + fault_key(policy)] = policy.until // SECOND
    for each in of_service(policies.collection, site.service):  # of a plain number Envoy takes what is above 100 for all
        layer["tracing.random_sampling"] = {"numerator": round(each.share * 100), "denominator": "TEN_THOUSAND"}
    for concurrency in of_service(policies.concurrency, site.service):
        layer |= concurrency_on(concurrency)
    return layer


def _is_here(policy: FaultPolicy, site: Site) -> bool:
    if policy.side == "outbound":
        return bool(site.outbound)
    return bool(site.inbound) and policy.service == site.service and policy.labels.items() <= dict(site.labels).items()


def chosen_by(policies: Policies, site: Site) -> tuple[tuple[str, str], ...]:
    """The labels of a site that a policy of its service asks for: sites that differ in others alone get equal resources."""
    asked = {key for fault in of_service(policies.faults, site.service) if fault.side == "inbound" for key in fault.labels}
    return tuple(pair for pair in site.labels if pair[0] in asked)


def next_end(policies: Policies, now: int) -> int | None:
    """When the next fault ends: its snapshots are to be compiled again then."""
    return min((each.until for each in policies.faults if each.until > now), default=None)
