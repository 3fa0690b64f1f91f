"""Which alerts fire, and what became of each."""

from __future__ import annotations

from alerting.playbooks.kernel.firing import MAX_OFFERED, MAX_TRIGGERS, FiringAlerts
from alerting.playbooks.kernel.messages import Signal
from alerting.playbooks.kernel.trust import UNKNOWN
from tests.alerting.playbooks.world import START

SIGNAL = Signal("alert", "f", {"service": "cart"}, START)


def test_a_firing_alert_is_news_once_and_again_when_it_began_anew() -> None:
    firing = FiringAlerts()
    assert firing.begin(SIGNAL)
    assert not firing.begin(SIGNAL)
    firing.give_up("f")
    firing.prove("f")
    firing.refuse("f", "p", "rate")
    assert (firing.unanswered(), firing.is_proven("f"), firing.refusals) == ([], True, {("p", "rate"): ["cart"]})
    assert firing.begin(Signal("alert", "f", {}, START + 1))
    assert (len(firing.unanswered()), firing.is_proven("f"), firing.refusals) == (1, False, {})
    assert firing.end("f")
    assert not firing.end("f")
    assert "f" not in firing
    firing.give_up("f")
    firing.prove("f")
    assert firing.begin(SIGNAL)
    assert (len(firing.unanswered()), firing.is_proven("f")) == (1, False), "what does not fire is neither given up nor proven"


def test_the_unanswered_are_the_oldest_first() -> None:
    firing = FiringAlerts()
    for name, start in (("c", 2), ("b", 1), ("a", 2)):
        firing.begin(Signal("alert", name, {}, start))
    assert [signal.fingerprint for signal in firing.unanswered()] == ["b", "a", "c"]


def test_a_refusal_is_news_when_its_reason_is_another() -> None:
    firing = FiringAlerts()
    firing.begin(SIGNAL)
    assert [firing.refuse("f", "p", code) for code in ("rate", "rate", "room", "rate")] == [True, False, True, True]
    firing.clear_refusal("f")
    assert firing.refuse("f", "p", "rate")
    firing.clear_refusals()
    assert firing.refuse("f", "p", "rate")
    firing.give_up("f")
    firing.take_back("f")
    assert firing.unanswered() == [SIGNAL]
    assert firing.refuse("f", "p", "rate")


def test_alerts_and_offers_are_bounded() -> None:
    firing = FiringAlerts()
    for number in range(MAX_TRIGGERS):
        assert firing.begin(Signal("alert", str(number), {}, START))
    assert not firing.begin(Signal("alert", "more", {}, START))
    assert firing.begin(Signal("alert", "7", {}, START + 1)), "one that is known may begin anew"
    assert firing.ignored == 1
    for number in range(MAX_OFFERED + 1):
        firing.offer(str(number))
    assert [firing.is_offered(name) for name in ("0", "1", str(MAX_OFFERED))] == [False, True, True]


def test_an_alert_saved_before_its_source_was_known_has_an_unknown_one() -> None:
    firing = FiringAlerts()
    firing.begin(Signal("alert", "f", {}, START, origin="file"))
    older = firing.snapshot()
    del older["signals"][0]["origin"]
    again = FiringAlerts()
    again.restore(older)
    assert [signal.origin for signal in again] == [UNKNOWN]
