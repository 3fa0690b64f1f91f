"""Whether the saved state of stages 3 and 4 can be restored: tried with what would restore it, into nothing that runs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from alerting.alertmanager.manager import Alertmanager
from alerting.playbooks.kernel.healer import Healer
from alerting.playbooks.kernel.trust import Trust
from alerting.rules.book import RuleBook
from alerting.rules.engine import AlertEngine
from pipeline.acting.environments import STATE as ENVIRONMENTS
from pipeline.acting.environments import KnownEnvironments
from pipeline.acting.recent_rankings import KeptRankings
from pipeline.acting.settings import VERSION as SETTINGS_VERSION
from pipeline.state.restoring import UNFIT
from pipeline.state.table import DamagedStateError
from processors.detectors.detector import build_detectors
from processors.detectors.log_windows import LogWindows
from spanloom import components
from spanloom.build_alerting import default_receivers
from spanloom.upgrade.item import Outcome, UpgradeItem
from telemetry.environment import DEFAULT_ENVIRONMENT, EVERY_ENVIRONMENT
from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pipeline.state.saved import SavedTable
    from pipeline.state.table import StageTable
    from spanloom.config import Config
    from telemetry.documents import Body

PART = "state"

LEARNED = frozenset({"rankings", "sources"})
"""What stage 4 keeps and telemetry brings back."""


def check_models(config: Config, table: SavedTable) -> Iterator[UpgradeItem]:
    """What stage 3 has learned. What cannot be restored is learned again, as at its start."""
    restored, refused = Counter[str](), dict[str, str]()
    for partition in table.names():
        for detector in build_detectors(components.DETECTORS, config.score, LogWindows()):
            try:
                saved = table.load(partition, detector.saved_as)
                if saved is not None:
                    detector.restore(saved)
                    restored[detector.saved_as] += 1
            except UNFIT as error:
                refused[detector.saved_as] = f"partition {partition}: {error}"
    for name, partitions in sorted(restored.items()):
        if name not in refused:
            yield UpgradeItem(PART, name, Outcome.KEPT, f"what was learned is restored, in {partitions} partitions")
    for name, reason in sorted(refused.items()):
        yield UpgradeItem(PART, name, Outcome.RELEARNED, reason)


def check_alerting(config: Config, table: SavedTable, now: int) -> Iterator[UpgradeItem]:
    """What stage 4 keeps. Most of it cannot be learned again: what of that cannot be restored is refused, as at a start."""
    for partition in table.names():
        yield from _named(table, partition, _shared())
        known = KnownEnvironments(config.act.max_environments, partition)
        try:
            known.restore(table, partition)
        except DamagedStateError as error:
            yield UpgradeItem(PART, ENVIRONMENTS, Outcome.REFUSED, error.what)
        for environment in [DEFAULT_ENVIRONMENT, *known.names, EVERY_ENVIRONMENT]:
            yield from _named(table.scoped(environment), partition, _of_environment(config, environment, now))


def _named(table: StageTable, partition: int, readers: dict[str, Callable[[Body], str]]) -> Iterator[UpgradeItem]:
    for name, restore in readers.items():
        shown = f"{table.scope}{name}" if not partition else f"{table.scope}{name}[{partition}]"
        try:
            saved = table.load(partition, name)
            if saved is not None:
                yield UpgradeItem(PART, shown, Outcome.KEPT, restore(saved))
        except UNFIT as error:
            outcome = Outcome.RELEARNED if name in LEARNED else Outcome.REFUSED
            yield UpgradeItem(PART, shown, outcome, error.what if isinstance(error, DamagedStateError) else str(error))


def _shared() -> dict[str, Callable[[Body], str]]:
    def rules(saved: Body) -> str:
        refused = RuleBook().restore(saved)
        return "; ".join(refused) or f"{len(saved['namespaces'])} namespaces of rules that were set over HTTP"

    def settings(saved: Body) -> str:
        if saved.get("version") != SETTINGS_VERSION:
            raise InputError(f"settings: version {saved.get('version')!r}; this release reads {SETTINGS_VERSION}")
        return f"{len(saved['silences'])} silences of all environments"

    def sources(saved: Body) -> str:
        Trust((), 0).restore(saved)
        return f"{len(saved['fed'])} sources of telemetry"

    return {"rules": rules, "settings": settings, "sources": sources}


def _of_environment(config: Config, environment: str, now: int) -> dict[str, Callable[[Body], str]]:
    def engine(saved: Body) -> str:
        made = AlertEngine()
        made.restore(saved)
        return f"alerts of {len(saved['groups'])} groups of rules"

    def alertmanager(saved: Body) -> str:
        manager = Alertmanager(default_receivers(config))
        manager.restore(saved)
        return f"{len(saved['alerts'])} alerts, {len(saved['silences'])} silences, {len(saved['groups'])} notified groups"

    def healer(saved: Body) -> str:
        made = Healer((), {}, lambda _expr, _at: [], config.alerting.safety, environment)
        made.restore(saved, now)
        return f"{len(made.incidents)} open incidents, {made.journal.chain.sequence} audit records"

    def approvals(saved: Body) -> str:
        bytes.fromhex(saved["key"])
        return "the key of links to approve repairs: those that were sent stay valid"

    def rankings(saved: Body) -> str:
        return f"{len(KeptRankings().restore(saved, environment))} rankings"

    return {"engine": engine, "alertmanager": alertmanager, "healer": healer, "approvals": approvals, "rankings": rankings}
