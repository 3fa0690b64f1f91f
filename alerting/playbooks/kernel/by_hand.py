"""What a person does to an incident beside approving and releasing it: acknowledge it, or have its alert answered again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.errors import InputError

if TYPE_CHECKING:
    from alerting.playbooks.kernel.healer import Healer

MAX_TEXT = 500
"""Characters of a note that are kept."""


def acknowledge(healer: Healer, incident_id: str, who: str, text: str, now: int) -> None:
    """Record that a person looks after an incident. It changes nothing else: repairs, alerts and notifications go on.

    Raises:
        InputError: there is no such incident among those that are open, or hold a target.
    """
    incident = healer.incidents.get(incident_id)
    if incident is None:
        raise InputError(f"no incident {incident_id!r} is open")
    healer.journal.note(incident, now)("acknowledged", who=who, text=text[:MAX_TEXT])
    healer.journal.publish(healer.incidents, now)


def rerun(healer: Healer, incident_id: str, fingerprint: str, who: str, now: int) -> str:
    """Have the alert of an ended incident answered once more, within all bounds; returns the id of the new incident.

    An alert that a person has is answered no more while it fires: this takes that back, and says so on the audit trail.

    Raises:
        InputError: the alert does not fire, an incident of it is open, or a bound keeps the playbook from starting now; then
            the person has the alert as before.
    """
    if fingerprint not in healer.firing:
        raise InputError(f"the alert {fingerprint!r} does not fire: there is nothing to repair")
    known = {each.id for each in healer.incidents.values() if each.fingerprint == fingerprint}
    if any(not healer.incidents[each].state.ended for each in known):
        raise InputError(f"a repair of the alert {fingerprint!r} is under way")
    healer.journal.record(now, "rerun", incident_id, who=who, fingerprint=fingerprint)
    healer.firing.take_back(fingerprint)
    healer.advance(now)
    for incident in healer.incidents.values():
        if incident.fingerprint == fingerprint and incident.id not in known:
            return incident.id
    code = healer.firing.refusal_of(fingerprint) or "no playbook answers it"
    healer.firing.give_up(fingerprint)
    raise InputError(f"the playbook may not start now ({code}); the audit trail has the reason")
