"""Who is to blame in one environment: what is remembered of its telemetry, when it is ranked, and what rules see of that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.acting.ranking_thread import Diagnosis
from pipeline.acting.recent_rankings import KeptRankings
from pipeline.state.restoring import UNFIT, log_relearning
from processors.assembly.watermark import SECOND
from processors.feedback.apply import weighed
from telemetry.findings import AnomalyKind, CulpritRanking

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline.acting.config import ActConfig
    from pipeline.state.table import StageTable
    from processors.feedback.marks import Marks
    from processors.root_cause.ranking import CulpritRanker
    from processors.root_cause.sampled_trace import SampledTrace
    from telemetry.findings import Anomaly


class Diagnoser:
    """Remembers what culprits are found by, and ranks them when an anomaly or an alert asks for it.

    Args:
        environment: names the rankings.
        config: when to rank.
        culprits: remembers and ranks.
        marks: what people said of earlier rankings.
    """

    def __init__(self, environment: str, config: ActConfig, culprits: CulpritRanker, marks: Marks) -> None:
        self._environment, self._config, self._marks = environment, config, marks
        self._diagnosis = Diagnosis(culprits)
        # Whether rules may see it, score and id of the strongest that no ranking has answered yet.
        self._wanted: tuple[bool, float, str] | None = None
        self._rankings = KeptRankings()

    @property
    def dropped(self) -> dict[str, int]:
        """What the bounds of the memory have cost."""
        return self._diagnosis.dropped

    def learn(self, change: Callable[[CulpritRanker], None]) -> None:
        """Change what is remembered."""
        self._diagnosis.learn(change)

    def add_traces(self, traces: Sequence[SampledTrace], now: int) -> None:
        """Remember closed traces; `now` by the clock, ns."""

        def remember(culprits: CulpritRanker) -> None:
            for trace in traces:
                culprits.add_trace(trace, now)

        self._diagnosis.learn(remember)

    def asks(self, anomaly: Anomaly) -> bool:
        """Whether an anomaly is one that culprits are ranked for."""
        return anomaly.kind in {AnomalyKind.LATENCY, AnomalyKind.ERRORS} and anomaly.score >= self._config.rank_score

    def ranked_after(self, event_time: int) -> bool:
        """Whether culprits were ranked later than that: what asks for it is read again after a crash, and had its ranking."""
        return event_time < self._rankings.ranked_at

    def want(self, score: float, id_: str, *, for_rules: bool = True) -> None:
        """Ask for a ranking. The strongest that asks is named by it."""
        wanted = (for_rules, score, id_)
        self._wanted = max(self._wanted or wanted, wanted)

    def is_due(self, event_time: int) -> bool:
        """Whether a ranking is wanted, and the last is old enough."""
        return self._wanted is not None and event_time - self._rankings.ranked_at >= self._config.rank_every * SECOND

    async def rank(self, event_time: int) -> tuple[bool, CulpritRanking | None]:
        """Rank now: whether rules may see it, and the ranking; none where nothing has changed."""
        (for_rules, _, opened_by), self._wanted = self._wanted or (True, 0.0, ""), None
        self._rankings.ranked_at = event_time
        ranking = await self._diagnosis.rank(event_time)
        ranking = weighed(ranking, self._marks, self._environment, event_time)
        return for_rules, CulpritRanking(event_time, self._environment, opened_by, ranking) if ranking else None

    def keep(self, culprits: CulpritRanking) -> None:
        """Remember a ranking that rules have seen: they are to see it after a crash."""
        self._rankings.keep(culprits)

    async def save(self, state: StageTable, partition: int) -> None:
        """Return when the rankings would survive a kill -9."""
        await state.save(partition, "rankings", self._rankings.snapshot())

    def restore(self, state: StageTable, partition: int) -> list[CulpritRanking]:
        """The rankings that were saved, oldest first; none where they cannot be used."""
        try:
            saved = state.load(partition, "rankings")
            return self._rankings.restore(saved, self._environment) if saved is not None else []
        except UNFIT as error:
            log_relearning("rankings", partition, error)
            return []
