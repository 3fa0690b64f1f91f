"""What the safety kernel admits, reason by reason, to the nanosecond and word for word."""

from __future__ import annotations

import json

import pytest

from alerting.playbooks.kernel.safety import Safety, SafetyConfig, StartRejection, Touched
from alerting.playbooks.kernel.traffic import Footprint
from components.durations import HOUR, MINUTE
from tests.alerting.playbooks.world import SECOND, START

SMALL = Footprint(1, 0.1)


def touched(service: str = "cart", instance: str = "a", footprint: Footprint = SMALL, *, waits: bool = False) -> Touched:
    return Touched(service, instance, footprint, waits=waits)


def test_the_bounds_without_a_configuration() -> None:
    config = SafetyConfig()
    assert (config.dry_run, config.max_open, config.max_starts, config.max_starts_per_target) == (False, 3, 10, 4)
    assert (config.max_instances, config.max_traffic_share, config.breaker_failures) == (2, 0.5, 3)
    assert (config.starts_within, config.breaker_reset, config.untrusted_for) == (HOUR, 30 * MINUTE, 24 * HOUR)
    assert (config.approval_within, config.automatic_for, config.targets) == (15 * MINUTE, (), ())


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        (("cart", "a"), ("cart", "a"), True),
        (("cart", "a"), ("cart", "b"), False),
        (("cart", "a"), ("cart", ""), True),
        (("cart", ""), ("cart", "a"), True),
        (("cart", ""), ("cart", ""), True),
        (("cart", "a"), ("shop", "a"), False),
        (("cart", ""), ("shop", ""), False),
    ],
)
def test_targets_overlap_where_one_is_the_other_or_has_it(
    one: tuple[str, str],
    other: tuple[str, str],
    overlap: bool,  # noqa: FBT001 - a parameter
) -> None:
    assert touched(*one).overlaps(touched(*other)) == overlap


def test_stopped_repairs_are_refused_before_anything_else() -> None:
    safety = Safety(SafetyConfig())
    safety.stopped_by = "ann"
    assert safety.admit("p", touched(), [touched()], START) == StartRejection("stopped", "repairs are stopped by ann")
    safety.stopped_by = ""
    assert safety.admit("p", touched(), [touched()], START) == StartRejection("busy", "another repair has this target")
    assert safety.admit("p", touched(), [], START) is None


def test_a_target_rests_for_its_cooldown_after_the_start_and_then_after_the_end() -> None:
    safety = Safety(SafetyConfig())
    safety.started("p", touched(), 60 * SECOND, START)
    assert safety.admit("p", touched(), [], START + 59 * SECOND) == StartRejection("cooldown", "it rests for 1s more")
    assert safety.admit("p", touched(), [], START + 60 * SECOND) is None
    safety.over("p", "cart", "a", START + 30 * SECOND)
    safety.over("p", "cart", "a", START + 40 * SECOND)
    assert safety.admit("p", touched(), [], START + 90 * SECOND - 1) == StartRejection("cooldown", "it rests for 1s more")
    assert safety.admit("p", touched(), [], START + 90 * SECOND) is None
    for other in (("q", touched()), ("p", touched("shop")), ("p", touched("cart", "b"))):
        assert safety.admit(*other, [], START + SECOND) is None


def test_starts_are_bounded_by_target_and_over_all() -> None:
    safety = Safety(SafetyConfig(max_starts=3, max_starts_per_target=2))
    for number in range(2):
        safety.started("p", touched(), 0, START + number)
        safety.over("p", "cart", "a", START + number)
    own = StartRejection("rate", "p was started 2 times lately on this target, the bound is 2")
    assert safety.admit("p", touched(), [], START + HOUR - 1) == own
    assert safety.admit("p", touched(), [], START + HOUR) is None
    assert safety.admit("p", touched("shop"), [], START + 2) is None
    safety.started("q", touched("shop"), 0, START + 2)
    safety.over("q", "shop", "a", START + 2)
    assert safety.admit("q", touched("mail"), [], START + 2) == StartRejection(
        "rate", "3 repairs were started lately, the bound is 3"
    )
    assert safety.admit("q", touched("mail"), [], START + HOUR) is None


def test_what_is_neither_recent_nor_open_nor_cooling_is_evicted() -> None:
    safety = Safety(SafetyConfig())
    for name, cooldown in (("short", 0), ("long", 2 * HOUR), ("open", 0)):
        safety.started(name, touched(name), cooldown, START)
        if name != "open":
            safety.over(name, name, "a", START + 1)

    def known(now: int) -> list[str]:
        safety.started("new", touched("new"), 0, now)
        return [start["playbook"] for start in safety.snapshot()["starts"] if start["playbook"] != "new"]

    assert known(START + HOUR - 1) == ["short", "long", "open"]
    assert known(START + HOUR) == ["long", "open"]
    assert known(START + 2 * HOUR) == ["long", "open"]
    assert known(START + 2 * HOUR + 1) == ["open"]


def test_a_breaker_opens_after_failures_in_a_row_and_is_tried_once_at_a_time() -> None:
    safety = Safety(SafetyConfig(breaker_failures=2))
    assert [safety.judged("p", START, proven=proven) for proven in (False, True, False)] == [False, False, False]
    assert safety.admit("p", touched(), [], START) is None
    assert safety.judged("p", START, proven=False)
    rests = "2 repairs in a row were not proven; it rests for 30m more"
    assert safety.admit("p", touched(), [], START) == StartRejection("breaker", rests)
    assert safety.admit("q", touched(), [], START) is None
    later = START + 30 * MINUTE
    assert safety.admit("p", touched(), [], later - 1) == StartRejection("breaker", rests.replace("30m", "1s"))
    assert safety.admit("p", touched(), [], later) is None
    safety.started("p", touched(), 0, later)
    tried = StartRejection("breaker", "2 repairs in a row were not proven; one more try is under way")
    assert safety.admit("p", touched("shop"), [], later) == tried
    safety.over("p", "cart", "a", later)
    assert safety.judged("p", later, proven=False), "a failed try opens it again"
    assert safety.admit("p", touched("shop"), [], later + 1) is not None
    assert not safety.judged("p", later, proven=True)
    assert safety.admit("p", touched("shop"), [], later + 1) is None


def test_open_repairs_and_their_reach_are_bounded_and_what_waits_takes_no_part() -> None:
    safety = Safety(SafetyConfig(max_open=2, max_instances=3, max_traffic_share=0.5))
    waiting = touched("wait", waits=True)
    held = [touched("b"), touched("c")]
    full = StartRejection("room", "2 repairs are open or hold a target, the bound is 2")
    assert safety.no_room(touched(), held) == full
    assert safety.no_room(touched(), [held[0], waiting, waiting]) is None
    assert safety.admit("p", touched("wait"), [waiting], START) == StartRejection("busy", "another repair has this target")
    assert safety.no_room(touched(footprint=Footprint(3, 0.5)), []) is None
    assert safety.no_room(touched(footprint=Footprint(3, 0.1)), [touched("b")]) == StartRejection(
        "budget", "it would touch 4 instances with what is touched already, the budget is 3"
    )
    assert safety.no_room(touched(footprint=Footprint(1, 0.41)), [touched("b")]) == StartRejection(
        "budget", "it would touch 51% of all calls, the budget is 50%"
    )
    unknown = "the number of its instances is unknown: none has sent a span of late, or too many have"
    assert safety.no_room(touched(footprint=Footprint(None, 0.1)), []) == StartRejection("budget", unknown)
    unseen = "its share of traffic is unknown: the live call graph is empty"
    assert safety.no_room(touched(footprint=Footprint(1, None)), []) == StartRejection("budget", unseen)


def test_what_is_restored_is_what_was_saved_and_a_start_of_before_has_ended_as_it_began() -> None:
    safety = Safety(SafetyConfig())
    safety.started("p", touched(), 60 * SECOND, START)
    safety.started("q", touched("shop"), 0, START + 1)
    safety.over("q", "shop", "a", START + 2)
    safety.judged("p", START, proven=False)
    safety.stopped_by = "ann"
    saved = json.loads(json.dumps(safety.snapshot()))
    assert saved["breakers"] == {"p": {"failures": 1, "open_until": 0}}
    again = Safety(SafetyConfig())
    again.restore(saved)
    assert again.snapshot() == saved
    for start in saved["starts"]:
        del start["ended"]
    again.restore(saved)
    assert [start["ended"] for start in again.snapshot()["starts"]] == [START, START + 1]
