"""A revision on its way: from a few agents to all, each step judged by what it did. A state machine without clock or I/O."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from pydantic import BaseModel, ConfigDict, Field

from components.durations import SECOND

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from telemetry.json_object import JsonObject


class WaveConfig(BaseModel):
    """One step of a rollout: a share of the agents, or those with some labels, beside those of the steps before."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    share: float = Field(default=100.0, ge=0, le=100, description="percent of the agents, at least one")
    labels: dict[str, str] = Field(default={}, max_length=10, description="only agents that have these labels")
    soak_seconds: float = Field(default=60.0, ge=0, le=86_400, description="how long the wave is watched after its last agent")


class RolloutConfig(BaseModel):
    """How revisions reach a fleet."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    waves: tuple[WaveConfig, ...] = Field(
        default=(WaveConfig(share=1), WaveConfig(share=10), WaveConfig(share=50), WaveConfig(soak_seconds=0)),
        min_length=1,
        max_length=20,
        description="the steps; the last one should be all agents",
    )
    apply_seconds: float = Field(default=60.0, gt=0, le=3600, description="how long a connected agent may need to acknowledge")
    max_wait_seconds: float = Field(
        default=1800.0, gt=0, le=7 * 86_400, description="how long telemetry may leave it open whether a wave is good"
    )


class State(StrEnum):
    """Where a rollout is. The last two are its ends."""

    APPLYING = "applying"  # agents of the wave have not all acknowledged
    SOAKING = "soaking"  # they have, and are watched
    DONE = "done"
    ROLLED_BACK = "rolled-back"


class Verdict(StrEnum):
    """What telemetry says of a wave."""

    GO = "go"
    WAIT = "wait"
    BACK = "back"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict, and why in words."""

    verdict: Verdict
    why: str


@dataclass(frozen=True, slots=True)
class Wave:
    """What a judge is asked about: the agents with the revision, those without, and what it changes.

    `released` is when the wave was, `since` when its last agent had it. `targets` are instances that get a larger share of
    calls by it, as clusters of Envoy: `SERVICE|LABEL=VALUE`.
    """

    revision: str
    before: str
    number: int
    with_it: tuple[str, ...]
    without: tuple[str, ...]
    released: int
    since: int
    services: tuple[str, ...]
    targets: tuple[str, ...] = ()


class Judge(Protocol):
    """Says whether a wave is good, of telemetry."""

    def judge(self, wave: Wave, now: int) -> Judgement:
        """The verdict now; asked again while it waits."""
        ...


class AlwaysGood:
    """A judge without telemetry: what agents acknowledge is good once its time of soaking is over."""

    def judge(self, wave: Wave, now: int) -> Judgement:  # noqa: ARG002 - the protocol's
        """Go."""
        return Judgement(
            Verdict.GO, f"{len(wave.with_it)} agents have acknowledged it, and there is no telemetry to judge it by"
        )


@dataclass(frozen=True, slots=True)
class Member:
    """An agent as a rollout sees it."""

    id: str
    labels: Mapping[str, str]
    connected: bool
    reached: str


@dataclass(frozen=True, slots=True)
class Rollout:
    """A revision on its way. Times are nanoseconds since the epoch.

    Attributes:
        revision: what is rolled out.
        before: what agents have that no wave has reached, and all have after a roll back.
        wave: number of the wave that was released last, from 0.
        since: when that was.
        settled: when its last agent acknowledged; 0 while one has not.
        why: the last decision in words.
        services: those that the revision changes.
        targets: clusters that get a larger share of calls by it.
    """

    revision: str
    before: str
    waves: tuple[WaveConfig, ...]
    wave: int
    since: int
    settled: int = 0
    state: State = State.APPLYING
    why: str = ""
    services: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether nothing more happens by itself."""
        return self.state in {State.DONE, State.ROLLED_BACK}

    def chosen(self, members: Collection[Member]) -> set[str]:
        """The agents that are to have the revision: equal for equal members, whatever happened in between."""
        if self.state is State.ROLLED_BACK:
            return set()
        if self.state is State.DONE:
            return {each.id for each in members}
        found: set[str] = set()
        for wave in self.waves[: self.wave + 1]:
            able = [each.id for each in members if wave.labels.items() <= each.labels.items()]
            able.sort(key=self._order)
            found.update(able[: math.ceil(len(able) * wave.share / 100)])
        return found

    def _order(self, agent: str) -> bytes:
        return hashlib.sha256(f"{self.revision}\0{agent}".encode()).digest()

    def snapshot(self) -> JsonObject:
        """The rollout as plain data."""
        return {
            "version": 1,
            "revision": self.revision,
            "before": self.before,
            "waves": [each.model_dump(mode="json") for each in self.waves],
            "wave": self.wave,
            "since": self.since,
            "settled": self.settled,
            "state": self.state.value,
            "why": self.why,
            "services": list(self.services),
            "targets": list(self.targets),
        }


def restore(data: JsonObject) -> Rollout:
    """The rollout out of its plain data."""
    fields = {key: value for key, value in data.items() if key != "version"}
    fields["waves"] = tuple(WaveConfig.model_validate(each) for each in data["waves"])
    fields["state"] = State(data["state"])
    fields["services"] = tuple(data.get("services", ()))
    fields["targets"] = tuple(data.get("targets", ()))
    return Rollout(**fields)


def begin(
    revision: str,
    before: str,
    waves: Sequence[WaveConfig],
    now: int,
    services: tuple[str, ...] = (),
    targets: tuple[str, ...] = (),
) -> Rollout:
    """Release the first wave."""
    why = f"wave 1 of {len(waves)} is released"
    return Rollout(revision, before, tuple(waves), 0, now, why=why, services=services, targets=targets)


def back(rollout: Rollout, why: str) -> Rollout:
    """End it: every agent gets what it had before."""
    return rollout if rollout.ended else replace(rollout, state=State.ROLLED_BACK, why=why)


def advance(rollout: Rollout, members: Collection[Member], judge: Judge, config: RolloutConfig, now: int) -> Rollout:
    """What follows now: the same rollout when nothing does."""
    if rollout.ended:
        return rollout
    chosen = rollout.chosen(members)
    connected = [each for each in members if each.id in chosen and each.connected]
    have = tuple(sorted(each.id for each in connected if each.reached == rollout.revision))
    if not chosen:
        return _next(rollout, now, "no agent is known that this wave is for")
    if not rollout.settled:
        late = sorted(each.id for each in connected if each.reached != rollout.revision)
        if late or not connected:
            return _applying(rollout, late, config, now)
        rollout = replace(rollout, settled=now, state=State.SOAKING, why=f"{len(have)} agents have it; watched")
    without = tuple(sorted(each.id for each in members if each.connected and each.id not in chosen))
    wave = Wave(
        rollout.revision,
        rollout.before,
        rollout.wave + 1,
        have,
        without,
        rollout.since,
        rollout.settled,
        rollout.services,
        rollout.targets,
    )
    return _judged(rollout, judge.judge(wave, now), config, now)


def _applying(rollout: Rollout, late: Sequence[str], config: RolloutConfig, now: int) -> Rollout:
    if now - rollout.since < config.apply_seconds * SECOND:
        return rollout
    if not late:  # whoever comes back gets it then
        return _next(rollout, now, f"no agent of this wave was connected for {config.apply_seconds:g} s")
    named = ", ".join(late[:5]) + (f" and {len(late) - 5} more" if len(late) > 5 else "")
    return back(rollout, f"not acknowledged within {config.apply_seconds:g} s by {named}")


def _judged(rollout: Rollout, judgement: Judgement, config: RolloutConfig, now: int) -> Rollout:
    if judgement.verdict is Verdict.BACK:
        return back(rollout, judgement.why)
    if now - rollout.settled < rollout.waves[rollout.wave].soak_seconds * SECOND:
        return rollout
    if judgement.verdict is Verdict.GO:
        return _next(rollout, now, judgement.why)
    if now - rollout.settled >= config.max_wait_seconds * SECOND:
        return back(rollout, f"still open after {config.max_wait_seconds:g} s: {judgement.why}")
    return replace(rollout, why=f"waits: {judgement.why}")


def _next(rollout: Rollout, now: int, why: str) -> Rollout:
    if rollout.wave + 1 == len(rollout.waves):
        return replace(rollout, state=State.DONE, why=why)
    number = rollout.wave + 1
    released = f"wave {number + 1} of {len(rollout.waves)} is released: {why}"
    return replace(rollout, wave=number, since=now, settled=0, state=State.APPLYING, why=released)
