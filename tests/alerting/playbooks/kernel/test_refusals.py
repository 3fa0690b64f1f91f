"""When humans hear that repairs do not start."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from alerting.playbooks.kernel.refusals import LASTS, REPEAT, LastingRefusals
from tests.alerting.playbooks.world import SECOND, START

RATE = ("repair", "rate")


def test_a_refusal_that_lasts_a_minute_is_reported_once_and_its_end_too() -> None:
    lasting = LastingRefusals()
    refused = {RATE: ["cart", "shop"]}
    assert lasting.advance(refused, START) == []
    assert lasting.advance(refused, START + LASTS - 1) == []
    (notice,) = lasting.advance(refused, START + LASTS)
    assert (notice.kind, notice.playbook, notice.code) == ("refused", "repair", "rate")
    assert notice.text.endswith("waiting: cart, shop")
    assert lasting.advance(refused, START + 9 * REPEAT) == []
    assert [each.kind for each in lasting.advance({}, START + 9 * REPEAT)] == ["admitted"]


def test_a_cooldown_or_a_busy_target_is_no_news() -> None:
    lasting = LastingRefusals()
    for second in range(0, 7200, 60):
        assert lasting.advance({("repair", "cooldown"): ["a"], ("repair", "busy"): ["a"]}, START + second * SECOND) == []


@given(st.lists(st.tuples(st.integers(0, 900), st.sets(st.sampled_from(["rate", "room", "cooldown"]))), max_size=80))
def test_whatever_is_refused_when_notices_of_one_kind_lie_a_repeat_apart_and_each_ends_before_the_next(
    steps: list[tuple[int, set[str]]],
) -> None:
    lasting, now = LastingRefusals(), START
    last: dict[str, int] = {}
    open_: set[str] = set()
    for seconds, codes in steps:
        now += seconds * SECOND
        again = LastingRefusals()
        again.restore(json.loads(json.dumps(lasting.snapshot())))
        lasting = again
        for notice in lasting.advance({("repair", code): ["cart"] for code in codes}, now):
            if notice.kind == "refused":
                assert notice.code in codes
                assert notice.code not in open_
                assert now - last.get(notice.code, now - REPEAT) >= REPEAT
                last[notice.code] = now
                open_.add(notice.code)
            else:
                assert notice.code not in codes
                open_.remove(notice.code)
        assert not open_ - codes, "what is over is reported as over at once"
