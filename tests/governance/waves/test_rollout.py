"""The steps of a rollout, without a clock."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.durations import SECOND
from governance.waves.rollout import (
    AlwaysGood,
    Judgement,
    Member,
    Rollout,
    RolloutConfig,
    State,
    Verdict,
    Wave,
    WaveConfig,
    advance,
    back,
    begin,
    restore,
)

CONFIG = RolloutConfig(apply_seconds=60, max_wait_seconds=600)
WAVES = CONFIG.waves


@dataclass
class Says:
    """A judge that says what it is given."""

    verdict: Verdict
    asked: list[Wave] = field(default_factory=list)

    def judge(self, wave: Wave, now: int) -> Judgement:
        self.asked.append(wave)
        return Judgement(self.verdict, f"because of {now}")


def fleet(count: int, having: set[str] = frozenset(), revision: str = "2") -> list[Member]:  # type: ignore[assignment]
    names = [f"a{number}" for number in range(count)]
    return [
        Member(name, {"zone": "z1" if int(name[1:]) % 2 else "z2"}, True, revision if name in having else "1") for name in names
    ]


def test_waves_grow_by_shares_each_holds_those_before_and_is_judged_once_it_has_soaked() -> None:
    rollout, have, sizes, now = begin("2", "1", WAVES, 0), set[str](), [], 1000 * SECOND
    judge = Says(Verdict.GO)
    while not rollout.ended:
        chosen = rollout.chosen(fleet(200, have))
        assert chosen >= have
        sizes.append(len(chosen))
        have = chosen
        rollout = advance(rollout, fleet(200, have), judge, CONFIG, now)
        soak = rollout.waves[rollout.wave].soak_seconds
        now += int(soak * SECOND)
        before = rollout
        if not rollout.ended:
            assert advance(rollout, fleet(200, have), judge, CONFIG, now - 1).wave == before.wave
            rollout = advance(rollout, fleet(200, have), judge, CONFIG, now)
    assert sizes == [2, 20, 100, 200]
    assert rollout.state is State.DONE
    assert [len(each.with_it) for each in judge.asked[-2:]] == [100, 200]
    assert judge.asked[-1].without == ()


def test_an_agent_that_does_not_acknowledge_in_time_takes_it_back_and_is_named() -> None:
    rollout = begin("2", "1", WAVES, 0)
    (chosen,) = rollout.chosen(fleet(100))
    assert advance(rollout, fleet(100), AlwaysGood(), CONFIG, 60 * SECOND - 1) == rollout
    ended = advance(rollout, fleet(100), AlwaysGood(), CONFIG, 60 * SECOND)
    assert ended.state is State.ROLLED_BACK
    assert ended.why == f"not acknowledged within 60 s by {chosen}"
    assert ended.chosen(fleet(100)) == set()


def test_a_judge_can_take_it_back_at_once_and_let_it_wait_only_so_long() -> None:
    rollout = begin("2", "1", WAVES, 0)
    have = rollout.chosen(fleet(100))
    assert advance(rollout, fleet(100, have), Says(Verdict.BACK), CONFIG, 5).state is State.ROLLED_BACK
    waits = advance(rollout, fleet(100, have), Says(Verdict.WAIT), CONFIG, 5)
    assert waits.state is State.SOAKING
    waits = advance(waits, fleet(100, have), Says(Verdict.WAIT), CONFIG, 5 + 599 * SECOND)
    assert waits.why.startswith("waits: because of")
    ended = advance(waits, fleet(100, have), Says(Verdict.WAIT), CONFIG, 5 + 600 * SECOND)
    assert ended.state is State.ROLLED_BACK
    assert ended.why.startswith("still open after 600 s")


def test_agents_that_are_gone_are_not_waited_for_but_a_wave_of_none_connected_is_not_rushed() -> None:
    rollout = begin("2", "1", (WaveConfig(share=50, soak_seconds=0), WaveConfig(soak_seconds=0)), 0)
    members = fleet(4, rollout.chosen(fleet(4)))
    gone = next(iter(rollout.chosen(members)))
    there = [Member(each.id, each.labels, each.id != gone, each.reached) for each in members]
    assert advance(rollout, there, AlwaysGood(), CONFIG, 1).wave == 1
    nobody = [Member(each.id, each.labels, False, each.reached) for each in members]
    assert advance(rollout, nobody, AlwaysGood(), CONFIG, 59 * SECOND) == rollout  # after a restart of ours they come back
    assert advance(rollout, nobody, AlwaysGood(), CONFIG, 60 * SECOND).wave == 1


def test_waves_by_labels() -> None:
    rollout = begin("2", "1", (WaveConfig(labels={"zone": "z1"}), WaveConfig()), 0)
    assert rollout.chosen(fleet(10)) == {"a1", "a3", "a5", "a7", "a9"}


@given(
    wave=st.integers(0, 3),
    since=st.integers(0, 2**62),
    settled=st.integers(0, 2**62),
    state=st.sampled_from(State),
    why=st.text(max_size=20),
)
def test_a_rollout_comes_back_as_it_was_kept(wave: int, since: int, settled: int, state: State, why: str) -> None:
    rollout = Rollout("2", "1", WAVES, wave, since, settled, state, why)
    assert restore(rollout.snapshot()) == rollout
    assert restore(rollout.snapshot()).chosen(fleet(50)) == rollout.chosen(fleet(50))


@pytest.mark.parametrize("state", [State.DONE, State.ROLLED_BACK])
def test_what_has_ended_stays_ended(state: State) -> None:
    rollout = Rollout("2", "1", WAVES, 1, 0, state=state)
    assert advance(rollout, fleet(5), Says(Verdict.BACK), CONFIG, 10**18) == rollout
    assert back(rollout, "too late") == rollout
