from __future__ import annotations

from dataclasses import replace

from spanloom.experiments.chaos.experiment import Expect
from spanloom.experiments.chaos.verdict import Downtime, Measurement, verdict

S = 10**9
WELL = Measurement(2.0, 10.0, 15.0, 40.0, culprit_first=True, failed_over=True, downtime=0.0, lost=0)
ALL = Expect.model_validate(
    {
        "alert_within": "30s",
        "culprit_first": True,
        "failover": True,
        "verified_within": "1m",
        "downtime_below": "5s",
        "lost_below": 10,
    }
)


def test_all_as_expected_is_no_sentence() -> None:
    assert verdict(ALL, WELL) == []


def test_each_expectation_that_is_not_met_is_a_sentence() -> None:
    bad = Measurement(None, None, None, 61.0, culprit_first=False, failed_over=False, downtime=5.0, lost=10)
    assert verdict(ALL, bad) == [
        "alert: never, expected within 30 s",
        "verified repair: after 61.0 s, expected within 60 s",
        "culprit: the service with the fault is not ranked first",
        "failover: no other instance took the traffic",
        "downtime: 5.0 s, expected below 5 s",
        "requests lost: 10, expected below 10",
    ]
    anywhere = replace(bad, alerts=("ServiceCulprit for cart",))
    assert verdict(Expect(no_alert=True), anywhere) == ["alert: ServiceCulprit for cart; expected none"]
    assert verdict(Expect(), replace(bad, lost=99)) == []


def test_time_counts_as_down_when_half_of_its_requests_failed() -> None:
    down = Downtime()
    for now, sent, failed in ((0, 100, 5), (1, 110, 5), (2, 120, 10), (3, 120, 10), (5, 130, 20), (6, 140, 24)):
        down.add(now * S, sent, failed)
    assert down.total == 3 * S  # from 1 to 2 s half failed, from 3 to 5 s all
    assert down.lost == 19
