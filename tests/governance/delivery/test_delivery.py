"""The steps of a delivery, without a clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from components.durations import SECOND
from governance.delivery.delivery import Delivery, DeliveryAction, DeliveryState, Seen, done_by, following, restore_delivery
from governance.plans.delivery import DeliveryPlan
from telemetry.errors import ConfigError

PLAN = DeliveryPlan.model_validate(
    {"old": {"version": "v1"}, "new": {"version": "v2"}, "steps": ["1%", "10%", 100], "watch": "60s", "calls": 100}
)
ENOUGH = Seen(old=900, new=100, said="no difference is sure")
NEW = Delivery("pay", PLAN.digest, 0)


def test_it_completes_step_by_step_each_watched_for_its_time() -> None:
    delivery, now, shares = NEW, 0, []
    while delivery.state is DeliveryState.ADVANCING:
        delivery = following(delivery, PLAN, ENOUGH, "", now)
        shares.append(delivery.share)
        assert delivery.state is not DeliveryState.ADVANCING or following(
            delivery, PLAN, ENOUGH, "", now + 59 * SECOND
        ).why.startswith("waits: the step is watched for 60 s")
        now += 60 * SECOND
    assert shares == [1, 10, 100, 100]
    assert (delivery.state, delivery.steps) == (DeliveryState.COMPLETED, 3)
    assert following(delivery, PLAN, Seen("late"), "", now) == delivery


@pytest.mark.parametrize(("old", "new"), [(1000, 99), (99, 1000), (0, 0)])
def test_a_step_lasts_until_both_sides_have_had_enough_calls(old: int, new: int) -> None:
    step = following(NEW, PLAN, Seen(), "", 0)
    after = following(step, PLAN, Seen(old=old, new=new), "", 3600 * SECOND)
    assert (after.steps, after.state) == (1, DeliveryState.ADVANCING)
    assert after.why == f"waits: {new} calls of what is new and {old} of the rest; 100 of each are needed"


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_what_is_worse_goes_back_at_any_step_also_while_something_else_is_waited_for(steps: int) -> None:
    delivery = Delivery("pay", PLAN.digest, 0, steps, PLAN.steps[steps - 1])
    after = following(delivery, PLAN, Seen("9 of 10 failed"), "revision 7 is on its way", 1)
    assert (after.state, after.share, after.why) == (DeliveryState.ROLLED_BACK, 0.0, "9 of 10 failed")


def test_nothing_begins_while_something_is_waited_for() -> None:
    after = following(NEW, PLAN, Seen(), "no instance has version=v2", 0)
    assert (after.steps, after.share, after.why) == (0, 0.0, "waits: no instance has version=v2")


def test_a_person_pauses_resumes_promotes_and_aborts_it() -> None:
    step = following(NEW, PLAN, Seen(), "", 0)
    paused = done_by(step, PLAN, DeliveryAction.PAUSE, "lunch", 1)
    assert following(paused, PLAN, Seen("worse"), "", 2) == paused
    resumed = done_by(paused, PLAN, DeliveryAction.RESUME, "back again", 5)
    assert (resumed.steps, resumed.share, resumed.since) == (1, 1.0, 5)
    promoted = done_by(resumed, PLAN, DeliveryAction.PROMOTE, "sure", 6)
    assert (promoted.share, promoted.state) == (100.0, DeliveryState.COMPLETED)
    back = done_by(promoted, PLAN, DeliveryAction.ABORT, "not so sure", 7)
    assert (back.share, back.state) == (0.0, DeliveryState.ROLLED_BACK)
    again = done_by(back, PLAN, DeliveryAction.RESUME, "repaired", 8)
    assert (again.steps, again.state, again.evidence) == (0, DeliveryState.ADVANCING, None)


@pytest.mark.parametrize(
    ("state", "action"),
    [
        (DeliveryState.COMPLETED, DeliveryAction.PAUSE),
        (DeliveryState.ADVANCING, DeliveryAction.RESUME),
        (DeliveryState.COMPLETED, DeliveryAction.PROMOTE),
        (DeliveryState.ROLLED_BACK, DeliveryAction.ABORT),
    ],
)
def test_what_cannot_be_done_is_refused(state: DeliveryState, action: DeliveryAction) -> None:
    with pytest.raises(ConfigError, match=f"{action.value}: the delivery of pay is {state.value}"):
        done_by(Delivery("pay", PLAN.digest, 0, state=state), PLAN, action, "", 1)


@given(
    steps=st.integers(0, 3),
    share=st.floats(0, 100),
    state=st.sampled_from(DeliveryState),
    evidence=st.none() | st.dictionaries(st.text(max_size=5), st.integers()),
)
def test_it_comes_back_as_it_was_kept(steps: int, share: float, state: DeliveryState, evidence: dict[str, int] | None) -> None:
    delivery = Delivery("pay", "d", 5, steps, share, state, "why", evidence)
    assert restore_delivery(delivery.snapshot()) == delivery


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        ({"steps": [10, 5]}, "each must be more than the one before"),
        ({"steps": [0.01, 5]}, "at least 0.1%"),
        ({"steps": []}, "name at least one"),
        ({"new": {"version": "v1"}}, "the same instances"),
        ({"new": {}}, "name at least one"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(plan: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        DeliveryPlan.model_validate({"old": {"version": "v1"}, "new": {"version": "v2"}, **plan})
