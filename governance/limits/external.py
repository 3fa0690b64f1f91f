"""Limits of the fleet as envoyproxy/ratelimit is configured with them, where that counts instead of the control plane."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog
import yaml

from components.durations import HOUR, MINUTE, SECOND
from governance.limits.descriptors import LIMIT, PER, REQUESTS
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from governance.model import LimitKey, LimitPolicy, Policies
    from telemetry.json_object import JsonObject

log = structlog.get_logger(__name__)

DOMAIN = "spanloom"
UNITS = {SECOND: "second", MINUTE: "minute", HOUR: "hour", 24 * HOUR: "day"}
MAX_REQUESTS = 2**32 - 1
EVERY_SECONDS = 1.0


def check_units(policies: Policies, name: str) -> None:
    """Refuse what an external service cannot count.

    Raises:
        ConfigError: which limit, and why.
    """
    for each in _shared([policies]):
        if each.per not in UNITS or each.requests > MAX_REQUESTS:
            raise ConfigError(
                f"{name}: limit {each.name}: an external service counts up to {MAX_REQUESTS} requests per 1s, 1m, 1h or 1d"
            )


def service_config(revisions: Iterable[Policies]) -> str:
    """The file for its `config` folder. Several revisions stand beside each other: what Envoy asks names its limit."""
    root: JsonObject = {"domain": DOMAIN}
    for each in sorted(_shared(revisions), key=lambda limit: (limit.service, limit.name, limit.requests, limit.per)):
        limit = {"unit": UNITS[each.per], "requests_per_unit": each.requests}
        per = {"key": PER, "value": str(each.per), **_counted(limit, each.by)}
        requests = {"key": REQUESTS, "value": str(each.requests), "descriptors": [per]}
        named = {"key": LIMIT, "value": f"{each.service}:{each.name}", "descriptors": [requests]}
        root = _merged(root, {"descriptors": [named]})
    return yaml.safe_dump({"descriptors": [], **root}, sort_keys=False)


def _shared(revisions: Iterable[Policies]) -> Iterable[LimitPolicy]:
    return (each for policies in revisions for each in policies.limits if each.scope == "fleet")


def _counted(limit: JsonObject, by: Sequence[LimitKey]) -> JsonObject:
    """Counted apart by each key that a request has: requests without one are counted together."""
    children = [{"key": _name(key), **_counted(limit, by[at + 1 :])} for at, key in enumerate(by)]
    return {"rate_limit": limit, **({"descriptors": children} if children else {})}


def _name(key: LimitKey) -> str:
    return f"header.{key.header}" if key.header is not None else "remote_address"


def _merged(one: JsonObject, other: JsonObject) -> JsonObject:
    """Both trees as one: no two children of a node have the same key and value."""
    children = {(each["key"], each.get("value")): each for each in one.get("descriptors", ())}
    for each in other.get("descriptors", ()):
        key = (each["key"], each.get("value"))
        children[key] = _merged(children[key], each) if key in children else each
    return {**one, **other, **({"descriptors": list(children.values())} if children else {})}


class LimitFile:
    """Keeps the file of an external service equal to the policies that agents have, or are about to get.

    Args:
        path: of the file; it is replaced as a whole.
        live: those policies.
    """

    def __init__(self, path: Path, live: Callable[[], Iterable[Policies]]) -> None:
        self._path, self._live, self._written = path, live, ""

    async def run(self) -> None:
        """Until it is cancelled. A file that cannot be written is tried again."""
        while True:
            try:
                self.write()
            except OSError as error:
                log.warning("limit_file_unwritten", path=str(self._path), reason=str(error), retry_in_seconds=EVERY_SECONDS)
            await asyncio.sleep(EVERY_SECONDS)

    def write(self) -> None:
        """Write it, if it is to change.

        Raises:
            OSError: it cannot be written.
        """
        text = service_config(self._live())
        if text != self._written:
            unfinished = self._path.with_name(f".{self._path.name}")  # RUNTIME_IGNOREDOTFILES
            unfinished.write_text(text)
            unfinished.replace(self._path)
            self._written = text
