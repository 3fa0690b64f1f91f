"""The timeline of one incident from its audit trail, as sentences."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson

from alerting.playbooks.kernel.machine import VERIFIED
from components.durations import format_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from telemetry.documents import Body

SECOND = 10**9
ENDS = {"closed", "escalated"}
INDENT = " " * 12


def timeline_of(incident: str, records: Sequence[Body]) -> list[str]:
    """The lines of it: what it was, why it began, what was done, and where the proof stands.

    Args:
        incident: its id.
        records: of the trail that holds it, in its order.
    """
    own = [record for record in records if record["incident"] == incident]
    matched, last = own[0], own[-1]
    begin, data = matched["time"], matched["data"]
    end = next((record for record in own if record["event"] in ENDS), None)
    lines = [
        f"incident {incident}: {data['playbook']} on {_target(data['target'])}",
        f"  began {_clock(begin)} UTC, {_ending(end, begin)}",
        "why",
        *(f"  {line}" for line in _why(data, _summary(records, matched))),
        "what happened",
    ]
    for record in _related(records, own, data["evidence"]["fingerprint"]):
        describe = _DESCRIPTIONS.get(record["event"], _arguments)
        lines.append(f"{(record['time'] - begin) / SECOND:+9.1f} s  {describe(record['data'])}")
        if record["event"].startswith("verification-") and record["data"].get("samples"):
            lines += [f"{INDENT}  seen: {sample}" for sample in _samples(record["data"]["samples"])]
    place = f"records {matched['sequence']} to {last['sequence']} of chain {matched['chain']}"
    return [*lines, f"on record: {place}; the playbook as of {data['revision']}"]


def sentence(record: Body) -> str:
    """What one record of a trail says. One that lacks what its event usually holds is shown as it is."""
    describe = _DESCRIPTIONS.get(record["event"], _arguments)
    with suppress(KeyError, TypeError):
        return describe(record["data"]).strip()
    return _arguments(record["data"])


def _related(records: Sequence[Body], own: Sequence[Body], fingerprint: str) -> Iterator[Body]:
    """The incident's own records, and what became of its alert until it resolved."""
    first, resolved = own[0]["sequence"], False
    for record in records:
        if record["incident"] == own[0]["incident"] and record["event"] != "matched":
            yield record
        elif record["sequence"] > first and record["data"].get("fingerprint") == fingerprint and not record["incident"]:
            if not resolved:
                yield record
            resolved |= record["event"] == "alert" and record["data"]["state"] == "resolved"


def _summary(records: Sequence[Body], matched: Body) -> str:
    """The summary of the alert when it fired last before the incident."""
    fingerprint = matched["data"]["evidence"]["fingerprint"]
    summary = ""
    for record in records:
        if record["sequence"] < matched["sequence"] and record["data"].get("fingerprint") == fingerprint:
            summary = record["data"].get("annotations", {}).get("summary", summary)
    return summary


def _why(data: Body, summary: str) -> Iterator[str]:
    evidence = data["evidence"]
    labels = dict(evidence["labels"])
    if labels.get("service"):  # says both
        labels.pop("service_name", None)
        labels.pop("service_namespace", None)
    name = labels.pop("alertname", labels.get("series", ""))
    shown = ", ".join(f"{label} {value}" for label, value in sorted(labels.items()) if value)
    yield f"{data['source']} {name} ({shown}){': ' if summary else ''}{summary}"
    if evidence.get("rule"):
        yield f"  its rule, of group {evidence['group']}, saw {_number(evidence['value'])}: {_line(evidence['rule'])}"
    ranking = evidence.get("ranking")
    if ranking:
        yield f"suspect {ranking['rank']} of {ranking['of']}, with a score of {_number(ranking['score'])}"
        yield from (f"  {reason}" for reason in ranking["reasons"])
    for anomaly in evidence.get("anomalies", ()):
        named = ", ".join(f"{label}={value}" for label, value in sorted(anomaly["labels"].items()))
        unit = "" if anomaly["unit"] in {"", "1"} else f" {anomaly['unit']}"
        seen, usual = (f"{_number(anomaly[what])}{unit}" for what in ("seen", "expected"))
        yield f"unusual: {anomaly['series']}{{{named}}}: {seen}, usually {usual}"
    if evidence["trace_ids"]:
        yield f"traces: {' '.join(evidence['trace_ids'])}"
    share, instances = data["footprint"]["share"], data["footprint"]["instances"]
    yield f"a repair touches {instances} instance{'s' * (instances != 1)} and {share or 0:.0%} of all calls"


def _ending(end: Body | None, begin: int) -> str:
    if end is None:
        return "is still open"
    why = "recovery proven" if end["data"]["why"] == VERIFIED else end["data"]["why"]
    return f"{end['event']} after {(end['time'] - begin) / SECOND:.1f} s: {why}"


def _intended(data: Body) -> str:
    again = "" if data.get("idempotent", True) else ", which must not run twice"
    return f"{data['step']}: {data['action']} {_arguments(data['arguments'])}{again}"


def _done(data: Body) -> str:
    return f"  {data['step']} is done{_result(data)}"


def _failed(data: Body) -> str:
    return f"  {data['step']} FAILED: {_line(data['detail'])}{_result(data)}"


def _alert(data: Body) -> str:
    return f"the alert {'fires again' if data['state'] == 'firing' else 'resolved'}"


_DESCRIPTIONS: dict[str, Callable[[Body], str]] = {
    "alert": _alert,
    "refused": lambda data: f"no second repair: {data['text']}",
    "approval-requested": lambda data: (
        f"a human is asked, until {_clock(data['until'])} UTC{': ' if data.get('why') else ''}{data.get('why', '')}"
    ),
    "approved": lambda data: "approved " + ("by the playbook itself" if data["who"] == "automatic" else f"by {data['who']}"),
    "denied": lambda data: f"denied by {data['who']}",
    "acknowledged": lambda data: f"acknowledged by {data['who']}{': ' if data['text'] else ''}{_line(data['text'])}",
    "rerun": lambda data: f"{data['who']} had the alert answered once more",
    "step-intended": _intended,
    "step-done": _done,
    "step-failed": _failed,
    "step-unknown": lambda data: f"  {data['step']} is UNKNOWN: {data['detail']}",
    "approval-refused": lambda data: f"{data['who']} approved, but there is no room: {data['text']}",
    "still-firing": lambda _: "  recovery: it holds, but the alert goes on firing as after the repair before",
    "step-asked": lambda data: f"after a crash its target is asked about {data['step']}",
    "step-repeated": lambda data: f"after a crash again: {data['step']}",
    "verification-started": lambda data: (
        f"verify {data['subject']} until {_clock(data['until'])} UTC: {_line(data['expression'])}"
    ),
    "verification-holds": lambda data: f"  {data['subject']}: it holds",
    "verification-broken": lambda data: f"  {data['subject']}: it holds no more: {data['reason']}",
    "verified": lambda data: f"  {data['subject']}: PROVEN, it held for {_duration(data['held'])}",
    "verification-failed": lambda data: f"  {data['subject']}: NOT PROVEN: {data['reason']}",
    "rolling-back": lambda data: f"rolling back: {data['why']}",
    "rollback-intended": lambda data: f"undo {data['step']}: {data['action']} {_arguments(data['arguments'])}",
    "rollback-done": lambda data: f"  {data['step']} is undone{_result(data)}",
    "rollback-failed": lambda data: f"  {data['step']} could NOT be undone: {_line(data['detail'])}",
    "closed": lambda data: f"closed: {data['why']}",
    "escalated": lambda data: f"escalated to on-call: {data['why']}",
    "released": lambda data: f"released by {data['who']}",
}


def _target(target: Body) -> str:
    return f"{target['service']}{'/' if target['instance'] else ''}{target['instance']}"


def _arguments(arguments: Body) -> str:
    return " ".join(f"{name}={_word(value)}" for name, value in arguments.items() if value not in ("", {}, []))


def _result(data: Body) -> str:
    return f": {_arguments(data['result'])}" if data.get("result") else ""


def _samples(samples: Sequence[Body]) -> Iterator[str]:
    for sample in samples[:3]:
        labels = ", ".join(f"{name}={value}" for name, value in sorted(sample["labels"].items()))
        yield f"{_number(sample['value'])}{f' ({labels})' if labels else ''}"


def _word(value: object) -> str:
    return _line(value) if isinstance(value, str) else orjson.dumps(value).decode()


def _line(text: str) -> str:
    return " ".join(text.split())


def _number(value: float | None) -> str:
    return "no number" if value is None else f"{value:.4g}"


def _duration(nanoseconds: int) -> str:
    return format_duration(nanoseconds // SECOND * SECOND)


def _clock(time: int) -> str:
    return f"{datetime.fromtimestamp(time // SECOND, UTC):%Y-%m-%d %H:%M:%S}"
