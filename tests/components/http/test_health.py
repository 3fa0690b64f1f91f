from __future__ import annotations

from components.http.health import Health


def test_a_process_with_nothing_to_check_lives_and_is_ready() -> None:
    assert Health().healthz() == Health().readyz() == (200, {"status": "ok", "reasons": []})


def test_what_is_not_ready_lives_and_says_what_it_waits_for() -> None:
    health, answers = Health(), [True]
    health.ready_while(lambda: bool(answers), "the store does not answer")
    assert health.readyz().status == 200
    answers.clear()
    assert health.healthz() == (200, {"status": "ok", "reasons": []})
    assert health.readyz() == (503, {"status": "failed", "reasons": ["the store does not answer"]})


def test_what_does_not_live_is_not_ready_either_and_all_reasons_are_given() -> None:
    health = Health()
    health.lives_while(lambda: False, "a stage has crashed")
    health.ready_while(lambda: False, "the log does not answer")
    health.ready_while(lambda: True, "not this")
    assert health.healthz() == (503, {"status": "failed", "reasons": ["a stage has crashed"]})
    assert health.readyz() == (503, {"status": "failed", "reasons": ["a stage has crashed", "the log does not answer"]})
