"""When humans hear that repairs do not start."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from alerting.playbooks.kernel.messages import Notice
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


def test_a_lasting_refusal_is_a_notice_with_its_services_and_another_one_not_before_an_hour() -> None:
    lasting, key = LastingRefusals(), ("repair", "rate")
    seven = {key: [f"s{number}" for number in range(7)]}
    assert lasting.advance(seven, START) == []
    assert lasting.advance(seven, START + LASTS - 1) == []
    text = "as many repairs were started lately as may be; waiting: s0, s1, s2, s3, s4 and 2 more"
    reported = START + LASTS
    assert lasting.advance(seven, reported) == [
        Notice(
            f"refused/repair/rate/{reported}",
            "refused",
            reported,
            "",
            "repair: refused (rate)",
            text,
            playbook="repair",
            code="rate",
        )
    ]
    assert lasting.advance(seven, reported + LASTS) == []
    again = LastingRefusals()
    again.restore(json.loads(json.dumps(lasting.snapshot())))
    assert again.snapshot() == lasting.snapshot() == [
        {"playbook": "repair", "code": "rate", "since": START, "reported": reported, "open": True}
    ]  # fmt: skip
    over = reported + 2 * LASTS
    assert again.advance({}, over) == [
        Notice(
            f"admitted/repair/rate/{over}", "admitted", over, "", "repair: admitted (rate)", "", playbook="repair", code="rate"
        )
    ]
    assert again.advance({key: []}, over + LASTS) == []
    assert again.advance({key: []}, reported + REPEAT - 1) == []
    (second,) = again.advance({key: []}, reported + REPEAT)
    assert second.text == "as many repairs were started lately as may be"
    assert [notice.kind for notice in again.advance({}, reported + REPEAT)] == ["admitted"]
    assert again.advance({}, reported + 2 * REPEAT - 1) == []
    assert again.snapshot() != []
    assert again.advance({}, reported + 2 * REPEAT) == []
    assert again.snapshot() == []
