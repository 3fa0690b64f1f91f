"""Repairs start by themselves only on the word of sources that are trusted or that an admin allowed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from alerting.playbooks.kernel.safety import SafetyConfig
from alerting.playbooks.kernel.trust import MAX_SOURCES, SAVE_AFTER, Trust, origin_of_rule
from alerting.playbooks.model.incident import IncidentState
from telemetry.documents import Kind
from telemetry.errors import InputError
from tests.alerting.playbooks.world import SECOND, START, Alert, Processes, healer, play, playbooks, stored

if TYPE_CHECKING:
    from pathlib import Path

    from alerting.playbooks.kernel.healer import Healer

HOUR = 3600 * SECOND


def repaired(folder: Path, alert: Alert, *fed: str, **bounds: Any) -> tuple[Healer, Processes]:
    """What became of an alert after some sources fed the telemetry."""
    processes = Processes(sick={"cart/a"})
    made = healer(playbooks(folder), processes, **bounds)
    for source in fed:
        made.trust.fed(source, START)
    made.on_alert(alert, START)
    made.advance(START + SECOND)
    play(made, processes, START + SECOND)
    return made, processes


@pytest.mark.parametrize("source", ["loopback", "token:checkout", "certificate:CN=agent", "kafka"])
def test_on_the_word_of_this_machine_and_of_who_shows_who_they_are_a_repair_starts(tmp_path: Path, source: str) -> None:
    _, processes = repaired(tmp_path, Alert("cart"), source)
    assert ("restart", "cart/a") in processes.calls


@pytest.mark.parametrize(("source", "allowed"), [("anonymous", "anonymous"), ("open-kafka", "open-kafka")])
def test_on_the_word_of_strangers_it_waits_for_a_human_unless_an_admin_allowed_them(
    tmp_path: Path, source: str, allowed: str
) -> None:
    made, processes = repaired(tmp_path, Alert("cart"), "loopback", source)
    assert processes.calls == []
    (incident,) = made.incidents.values()
    assert incident.state is IncidentState.APPROVING
    documents, notices = made.outbox()
    asked = next(record for record in stored(documents, Kind.AUDIT) if record["event"] == "approval-requested")
    for text in (notices[-1].text, asked["data"]["why"]):
        assert source in text
        assert f"alerting.safety.automatic_for: [{allowed}]" in text
    _, processes = repaired(tmp_path, Alert("cart"), "loopback", source, automatic_for=(allowed,))
    assert ("restart", "cart/a") in processes.calls


def test_a_rule_that_came_over_http_starts_nothing_unless_an_admin_allowed_its_namespace(tmp_path: Path) -> None:
    alert = Alert("cart", file="api:evil")
    _, processes = repaired(tmp_path, alert)
    assert processes.calls == []
    for allowed, starts in (("api-rules:evil", True), ("api-rules", True), ("api-rules:good", False), ("anonymous", False)):
        _, processes = repaired(tmp_path, alert, automatic_for=(allowed,))
        assert bool(processes.calls) is starts, allowed


def test_a_human_may_approve_what_does_not_start_by_itself(tmp_path: Path) -> None:
    made, processes = repaired(tmp_path, Alert("cart"), "anonymous")
    (incident,) = made.incidents.values()
    made.decide(incident.id, approved=True, who="ann", now=START + 2 * SECOND)
    play(made, processes, START + 2 * SECOND)
    assert ("restart", "cart/a") in processes.calls


def test_without_an_answer_it_never_starts_and_a_human_has_it(tmp_path: Path) -> None:
    made, processes = repaired(tmp_path, Alert("cart"), "anonymous")
    for minutes in range(1, 60):
        made.advance(START + minutes * 60 * SECOND)
        play(made, processes, START + minutes * 60 * SECOND)
    assert processes.calls == []
    assert [notice.kind for notice in made.outbox()[1]] == ["approval-requested", "escalated"]


def test_a_source_counts_for_as_long_as_it_is_said_after_its_last_telemetry() -> None:
    trust = Trust((), HOUR)
    trust.fed("anonymous", START)
    trust.pass_time(START + HOUR + SAVE_AFTER - 1)
    assert trust.doubt("")
    trust.pass_time(START + HOUR + SAVE_AFTER)
    assert not trust.doubt("")


def test_a_clock_that_goes_back_clears_nobody() -> None:
    trust = Trust((), HOUR)
    trust.fed("anonymous", START)
    trust.pass_time(START - 10 * HOUR)
    assert trust.doubt("")


def test_what_survives_a_crash_is_as_it_was_and_what_came_since_stays() -> None:
    trust, after = Trust((), HOUR), Trust((), HOUR)
    trust.fed("anonymous", START)
    assert trust.unsaved
    saved = json.loads(json.dumps(trust.snapshot()))
    assert not trust.unsaved
    after.fed("open-kafka", START + SECOND)
    after.restore(saved)
    assert "open-kafka" in after.doubt("")
    assert "1 more" in after.doubt("")
    with pytest.raises(InputError, match="version 2"):
        after.restore({"version": 2})


def test_names_are_bounded_and_what_comes_beyond_cannot_be_allowed() -> None:
    trust = Trust((), HOUR)
    for number in range(2 * MAX_SOURCES):
        trust.fed(f"token:{number}", START)
    trust.fed("anonymous", START)
    assert len(trust.snapshot()["fed"]) == MAX_SOURCES + 1
    assert "other" in trust.doubt("")


def test_an_alert_that_fired_before_the_sources_of_rules_were_known_waits_for_a_human(tmp_path: Path) -> None:
    made, _ = repaired(tmp_path, Alert("cart", severity="none"))
    saved = json.loads(json.dumps(made.snapshot()))
    for signal in saved["signals"]:
        del signal["origin"]
        signal["labels"]["severity"] = "critical"
    processes = Processes(sick={"cart/a"})
    after = healer(playbooks(tmp_path), processes)
    after.restore(saved, START)
    after.advance(START + SECOND)
    play(after, processes, START + SECOND)
    assert [incident.state for incident in after.incidents.values()] == [IncidentState.APPROVING]
    assert processes.calls == []


def test_the_namespace_of_a_rule_names_its_source() -> None:
    assert origin_of_rule("api:evil") == "api-rules:evil"
    assert origin_of_rule("/etc/spanloom/rules.yml") == ""


@pytest.mark.parametrize("source", ["loopback", "everybody", "unknown", "other", "api-rules:", "token:x", "kafka"])
def test_what_names_no_such_source_is_refused_in_the_configuration(source: str) -> None:
    with pytest.raises(ValidationError):
        SafetyConfig(automatic_for=(source,))


def test_a_source_that_has_fed_since_the_snapshot_keeps_its_later_time() -> None:
    trust = Trust((), HOUR)
    trust.fed("anonymous", START + HOUR)
    trust.restore({"version": 1, "fed": {"anonymous": START, "open-kafka": START + SECOND, "unknown": 0}})
    assert trust.snapshot()["fed"] == {"anonymous": START + HOUR, "open-kafka": START + SECOND, "unknown": 0}
