from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.durations import DAY, HOUR, SECOND
from processors.detectors.detector import ALARM
from processors.detectors.streaming import score_of, surprise_of
from processors.feedback.apply import divided, weighed
from processors.feedback.mark import LASTS, Mark, MarkVerdict, Move, Subject, evidence_key, series_key
from processors.feedback.marks import CEILING, HALF_LIFE, KEPT, MAX_ALL, MAX_MARKS, SETTLES, STEP, Marks
from telemetry.errors import InputError
from telemetry.findings import Anomaly, AnomalyKind, Evidence, Suspect
from telemetry.metrics import Series

START = 1_700_000_000 * SECOND
SERIES = Series("queue_depth", (("service_name", "cart"),))
KEY = series_key("metric", "queue_depth", SERIES.labels)
LEAST = surprise_of(ALARM)


def mark(
    verdict: MarkVerdict,
    at: int,
    *,
    id_: str = "",
    lasts: int = LASTS,
    surprise: float = 0.0,
    environment: str = "default",
) -> Mark:
    return Mark(
        subject=Subject.ANOMALY,
        id=id_ or f"{environment}-{verdict}-{at}",
        verdict=verdict,
        at=at,
        expires=at + lasts,
        who="ann",
        environment=environment,
        about="queue_depth of cart",
        moves=[Move(key=KEY, up=verdict is MarkVerdict.WRONG)],
        surprise=surprise,
    )


def held(*marks: Mark) -> Marks:
    made = Marks()
    made.merge([each.model_dump(mode="json") for each in marks])
    return made


def add(marks: Marks, one: Mark) -> None:
    marks.check_room(one)
    marks.merge([one.model_dump(mode="json")])


def anomaly(end: int, surprise: float) -> Anomaly:
    score = score_of(surprise)
    return Anomaly(AnomalyKind.METRIC, SERIES, "cart", end - SECOND, end, score, 1.0, 9.0, "", "why")


def reported(marks: Marks, end: int, surprise: float) -> bool:
    return bool(divided([anomaly(end, surprise)], marks, ALARM)[0])


def test_without_a_mark_every_anomaly_is_reported() -> None:
    assert reported(Marks(), START, LEAST)


def test_one_wrong_mark_asks_for_a_value_twenty_times_as_rare() -> None:
    marks = held(mark(MarkVerdict.WRONG, START))
    time = START + SETTLES
    assert not reported(marks, time, LEAST + STEP - 0.01)
    assert reported(marks, time, LEAST + STEP + 0.01)
    assert math.exp(STEP) == pytest.approx(20, abs=0.1)


def test_a_mark_counts_only_for_what_ends_after_it_has_settled() -> None:
    marks = held(mark(MarkVerdict.WRONG, START))
    assert reported(marks, START + SETTLES - 1, LEAST + 1)
    assert not reported(marks, START + SETTLES, LEAST + 1)


def test_however_often_it_is_wrong_there_is_a_ceiling() -> None:
    marks = held(*(mark(MarkVerdict.WRONG, START + n * SECOND) for n in range(20)))
    assert reported(marks, START + 60 * SECOND, LEAST + CEILING + 0.01)


def test_right_takes_a_step_back_and_never_goes_below_the_detectors_own_threshold() -> None:
    at = START + SECOND
    assert reported(held(mark(MarkVerdict.WRONG, START), mark(MarkVerdict.RIGHT, at)), at + SETTLES, LEAST + 0.001)
    rights = held(*(mark(MarkVerdict.RIGHT, START + n * SECOND) for n in range(9)))
    assert not reported(rights, START + HOUR, LEAST - 0.01)


def test_half_of_it_is_gone_after_a_week_and_all_after_four() -> None:
    marks = held(mark(MarkVerdict.WRONG, START))
    assert not reported(marks, START + HALF_LIFE, LEAST + STEP / 2 - 0.01)
    assert reported(marks, START + HALF_LIFE, LEAST + STEP / 2 + 0.01)
    assert reported(marks, START + LASTS, LEAST + 0.001)


def test_what_is_expected_is_quiet_for_its_time_up_to_a_step_above_what_was_seen() -> None:
    marks = held(mark(MarkVerdict.EXPECTED, START, lasts=2 * HOUR, surprise=25.0))
    assert not reported(marks, START + HOUR, 25.0 + STEP - 0.01)
    assert reported(marks, START + HOUR, 25.0 + STEP + 0.01)
    assert reported(marks, START + 2 * HOUR, 20.0)


def test_right_ends_what_was_expected() -> None:
    marks = held(
        mark(MarkVerdict.EXPECTED, START, lasts=DAY, surprise=25.0), mark(MarkVerdict.RIGHT, START + HOUR, id_="another")
    )
    assert reported(marks, START + 2 * HOUR, 20.0)


def test_who_changes_their_mind_leaves_one_mark_and_the_first_does_not_come_back() -> None:
    first, second = (
        mark(MarkVerdict.WRONG, START, id_="a"),
        mark(MarkVerdict.EXPECTED, START + HOUR, id_="a", lasts=HOUR, surprise=15),
    )
    marks = held(first, second)
    assert not reported(marks, START + SETTLES, LEAST + 1)
    assert [each.verdict for each in marks.at(START + HOUR)] == [MarkVerdict.EXPECTED]
    assert reported(marks, START + 3 * HOUR, LEAST + 1)


def test_marks_are_of_one_series_kind_and_environment() -> None:
    marks = held(mark(MarkVerdict.WRONG, START))
    end = START + HOUR
    one = anomaly(end, LEAST + 1)
    for other in (
        replace(one, environment="staging"),
        replace(one, kind=AnomalyKind.ERRORS),
        replace(one, series=Series("queue_depth", (("service_name", "shop"),))),
    ):
        assert divided([other], marks, ALARM) == ([other], [])
    assert divided([one], marks, ALARM) == ([], [(MarkVerdict.WRONG, one)])


_MARKS = st.lists(
    st.tuples(st.sampled_from(list(MarkVerdict)), st.integers(0, 60 * 24), st.integers(0, 4), st.floats(14, 60)), max_size=12
)


@given(_MARKS, st.randoms(use_true_random=False), st.integers(0, 90 * 24), st.floats(0, 80))
def test_answers_do_not_depend_on_the_order_or_the_number_of_times_that_marks_came(
    drawn: list[tuple[MarkVerdict, int, int, float]], chance: object, hour: int, surprise: float
) -> None:
    made = [
        mark(
            verdict, START + at * HOUR, id_=str(id_), surprise=nats, lasts=LASTS if verdict is not MarkVerdict.EXPECTED else DAY
        )
        for verdict, at, id_, nats in drawn
    ]
    by_key = {(each.id, each.at): each for each in reversed(made)}  # nobody says two things at once
    bodies = [each.model_dump(mode="json") for each in by_key.values()]
    shuffled = bodies * 2
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = Marks(), Marks()
    one.merge(bodies)
    for body in shuffled:
        other.merge([body])
    time = START + hour * HOUR
    answers = [each.withholds("default", KEY, surprise, LEAST, time) for each in (one, other)]
    assert answers[0] == answers[1]
    assert other.snapshot() == one.snapshot()
    later = Marks()  # what is said later changes nothing before
    later.merge([body for body in bodies if body["at"] <= time])
    assert later.withholds("default", KEY, surprise, LEAST, time) == answers[0]
    later.merge(bodies)
    later.prune(time + DAY)
    assert later.withholds("default", KEY, surprise, LEAST, time) == answers[0]
    if answers[0] is None and surprise >= LEAST:  # more surprising is never less reported
        assert one.withholds("default", KEY, surprise + 1, LEAST, time) is None


def test_there_is_a_bound_in_each_environment_and_whoever_asks_for_more_is_refused() -> None:
    marks = held(*(mark(MarkVerdict.RIGHT, START + n) for n in range(MAX_MARKS)))
    with pytest.raises(InputError, match="500 marks"):
        add(marks, mark(MarkVerdict.WRONG, START + HOUR))
    add(marks, mark(MarkVerdict.WRONG, START + HOUR, environment="staging"))
    add(marks, mark(MarkVerdict.WRONG, START + KEPT + SECOND))  # the old ones are gone
    assert len(marks) == 2


def test_past_the_bound_of_what_others_send_the_oldest_goes_and_is_counted() -> None:
    marks = held(*(mark(MarkVerdict.RIGHT, START + n) for n in range(MAX_MARKS + 3)))
    assert (len(marks), marks.evicted) == (MAX_MARKS, 3)
    assert marks.snapshot()[0]["at"] == START + 3
    for number in range(12):
        marks.merge(
            mark(MarkVerdict.RIGHT, START + n, environment=f"e{number}").model_dump(mode="json") for n in range(MAX_MARKS)
        )
    assert len(marks) == MAX_ALL
    with pytest.raises(InputError, match="5000 are the most"):
        add(marks, mark(MarkVerdict.WRONG, START + HOUR, environment="staging"))


def ranking_mark(at: int, *moves: tuple[str, str, bool], verdict: MarkVerdict = MarkVerdict.WRONG) -> Mark:
    keys = [Move(key=evidence_key(service, signal), up=up) for service, signal, up in moves]
    return mark(verdict, at).model_copy(update={"subject": Subject.RANKING, "moves": keys})


RANKING = (
    Suspect("shop", 3.0, evidence=(Evidence("metric", 2.0, "cpu"), Evidence("trace", 1.0, "slow"))),
    Suspect("cart", 2.5, evidence=(Evidence("trace", 2.5, "slow"),)),
)


def test_a_wrong_ranking_weakens_that_kind_of_evidence_against_that_service() -> None:
    marks = held(ranking_mark(START, ("shop", "metric", False)))
    after = weighed(RANKING, marks, "default", START + SETTLES)
    assert [each.service for each in after] == ["shop", "cart"]
    assert after[0].evidence[0].weight == pytest.approx(2.0 * math.exp(-0.25), rel=1e-4)
    assert after[0].score == pytest.approx(sum(each.weight for each in after[0].evidence))
    assert after[1] == RANKING[1]
    assert weighed(RANKING, marks, "staging", START + SETTLES) == RANKING
    assert weighed(RANKING, marks, "default", START) == RANKING


def test_what_people_say_reorders_near_suspects_but_neither_removes_nor_invents_one() -> None:
    moves = [("shop", "metric", False), ("shop", "trace", False), ("cart", "trace", True)]
    marks = held(*(ranking_mark(START + n, *moves) for n in range(30)))
    after = weighed(RANKING, marks, "default", START + HOUR)
    assert [(each.service, round(each.score, 2)) for each in after] == [("cart", 5.0), ("shop", 1.5)]
    clear = (replace(RANKING[0], score=30.0, evidence=(Evidence("metric", 30.0, "cpu"),)), RANKING[1])
    assert [each.service for each in weighed(clear, marks, "default", START + HOUR)] == ["shop", "cart"]


def test_the_scale_of_scores_has_an_inverse() -> None:
    nats = [0.0, 1.0, LEAST, 50.0, 200.0]
    assert [surprise_of(score_of(each)) for each in nats] == pytest.approx(nats, rel=1e-2)
    assert all(a < b for a, b in pairwise(map(surprise_of, (0.0, 0.5, 0.8, 0.99, 1.0))))
