"""Alertmanager's configuration, matchers, alerts and silences as clients post them, time intervals, regular expressions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import orjson
import yaml
from pydantic import TypeAdapter, ValidationError

from alerting.alertmanager.api_models import postable_alert, postable_silence
from alerting.alertmanager.config import parse_config
from alerting.alertmanager.manager import Alertmanager
from alerting.alertmanager.silences import Silences
from alerting.alertmanager.time_intervals import TimeInterval
from alerting.promql.matchers import all_match, parse_matchers
from alerting.promql.regex import Regex
from spanloom.components import NOTIFIERS
from telemetry.errors import InputError
from tests.fuzz.rules import NOW, SECOND, TEMPLATE_WORDS, YAML_WORDS
from tests.fuzz.target import Target

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = {
    "global": {"resolve_timeout": "5m", "smtp_smarthost": "localhost:25", "smtp_from": "a@b", "slack_api_url": "https://s/x"},
    "route": {
        "receiver": "team",
        "group_by": ["alertname"],
        "group_wait": "30s",
        "routes": [
            {"receiver": "pager", "matchers": ['a="b"', "c=~d.*"], "continue": True, "mute_time_intervals": ["nights"]},
            {"match": {"a": "b"}, "match_re": {"c": "d|e"}, "repeat_interval": "4h", "group_interval": "1m"},
        ],
    },
    "receivers": [
        {
            "name": "team",
            "webhook_configs": [{"url": "http://127.0.0.1:9/x", "send_resolved": True, "max_alerts": 3}],
            "slack_configs": [{"channel": "#a", "title": "{{ .Status }}", "send_resolved": False}],
        },
        {
            "name": "pager",
            "pagerduty_configs": [{"routing_key": "k", "description": "{{ .CommonLabels.alertname }}"}],
            "email_configs": [{"to": "a@b"}],
        },
    ],
    "inhibit_rules": [{"source_matchers": ["a=b"], "target_match_re": {"c": "d"}, "equal": ["e"]}],
    "topology_inhibit_rules": [{"culprit_matchers": ["alertname=ServiceCulprit"]}],
    "time_intervals": [
        {
            "name": "nights",
            "time_intervals": [
                {
                    "times": [{"start_time": "00:00", "end_time": "06:30"}],
                    "weekdays": ["monday:friday", "sunday"],
                    "days_of_month": ["1:5", "-3:-1"],
                    "months": ["january:3", "12"],
                    "years": ["2020:2030"],
                    "location": "Europe/Berlin",
                }
            ],
        }
    ],
}
ALERT = {
    "labels": {"alertname": "A", "service": "cart"},
    "annotations": {"summary": "x" * 50},
    "startsAt": "2023-11-14T22:13:20.123Z",
    "endsAt": "2023-11-14T23:23:20+01:00",
    "generatorURL": "http://x/",
}
SILENCE = {
    "matchers": [
        {"name": "a", "value": "b.*", "isRegex": True, "isEqual": False},
        {"name": "c", "value": "d", "isRegex": False},
    ],
    "startsAt": "2023-11-14T22:13:20Z",
    "endsAt": "2030-01-01T00:00:00Z",
    "createdBy": "me",
    "comment": "why",
}
MATCHERS = (b'{a="b", c=~"d.*", e!=f, "g h"!~"\\"i\\n"}', b"alertname=~^(A|B)$", b'a=b,c="\\\\d"')
REGEXES = (b"(a|b)*c{1,30}\nabab", b"(?i)^x.*$\nXy", b"((a{1,100}){1,10}\naaaa")
_INTERVALS: TypeAdapter[list[TimeInterval]] = TypeAdapter(list[TimeInterval])
_JSON_WORDS = (
    b"null", b"[]", b"{}", b'"0001-01-01T00:00:00Z"', b'"9999-12-31T23:59:59+14:00"', b'"-1"', b"1e999", b'"\\ud800"',
    b'"2023-W01-1T00Z"', b'"isRegex":true', b'"value":"("', b'"20231114"',
)  # fmt: skip
_MATCHER_WORDS = (b"=~", b"!~", b"!=", b"{", b"}", b'"', b"\\", b",", b" ", b"(", b"[[:alpha:]]", b"'")
_INTERVAL_WORDS = (b"-31", b"monday", b":", b'"../../etc/passwd"', b'"Local"', b"24:00")
_REGEX_WORDS = (b"{1000}", b"(", b")*", b"\\pL", b"\\C", b"(?P<n>", b"[^", b"|", b"\\b", b".*", b"$", b"(?s)")


def _json(data: bytes) -> object:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise InputError(str(error)) from None


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InputError(str(error)) from None


def of_configuration(folder: Path) -> Target:
    """The configuration file, and a reload with it while an alert waits. Relative paths in it lead into the folder."""
    before = parse_config(json.dumps(CONFIG), str(folder / "alertmanager.yml"), NOTIFIERS)

    def run(data: bytes) -> None:
        config = parse_config(_text(data), str(folder / "alertmanager.yml"), NOTIFIERS)
        manager = Alertmanager(before)
        manager.put(postable_alert({"labels": {"a": "b", "c": "d"}}, "", NOW, SECOND * 300), NOW)
        manager.replace_config(config, NOW)
        manager.advance(NOW + 60 * SECOND)
        again = Alertmanager(config)
        again.restore(manager.snapshot())

    seed = json.dumps(CONFIG).encode()
    return Target(
        "alertmanager-configuration", run, (seed, yaml.safe_dump(CONFIG).encode()), (*YAML_WORDS, *TEMPLATE_WORDS), 500e-6
    )


def _alerts(data: bytes) -> None:
    items = _json(data)
    if not isinstance(items, list):
        raise InputError("not a list")
    for alert in [postable_alert(item, f"[{i}]", NOW, 300 * SECOND) for i, item in enumerate(items)]:
        assert 0 <= alert.starts_at <= alert.ends_at < 2**63
        orjson.dumps([alert.labels, alert.annotations, alert.generator_url])


def _silence(data: bytes) -> None:
    silence = postable_silence(_json(data), NOW)
    silences = Silences()
    identity = silences.put(silence, NOW)
    silences.matching({"a": "b", "c": "d"}, NOW)
    again = Silences()
    again.merge(orjson.loads(orjson.dumps(silences.snapshot())))
    assert again.get(identity) == silences.get(identity), "a silence is another one after a restart"


def _matchers(data: bytes) -> None:
    matchers = parse_matchers(_text(data))
    all_match(matchers, {"a": "b", "c": "ddd", "alertname": "A"})
    again = parse_matchers(
        ",".join(f'"{m.name}"{str(m)[len(m.name) :]}' if '"' not in m.name else "" for m in matchers).strip(",")
    )
    assert all(m in again for m in matchers if '"' not in m.name and "\\" not in m.name and m.name), (
        "written out, read otherwise"
    )


def _intervals(data: bytes) -> None:
    try:
        intervals = _INTERVALS.validate_python(_json(data))
    except ValidationError as error:
        raise InputError(str(error)) from None
    for interval in intervals:
        for moment in (0, NOW, 2**63 - 1):
            interval.holds(moment)


def _regex(data: bytes) -> None:
    pattern, _, text = _text(data).partition("\n")
    regex = Regex.of(pattern)
    regex.fullmatch(text)
    regex.found_in(text * 20)
    regex.replace(text, lambda found: found[0] or "")


_INTERVAL_SEED = json.dumps(CONFIG["time_intervals"][0]["time_intervals"]).encode()  # type: ignore[index] # known above
TARGETS = (
    Target("posted-alerts", _alerts, (json.dumps([ALERT, {"labels": {"a": "b"}}]).encode(),), _JSON_WORDS),
    Target("posted-silences", _silence, (json.dumps(SILENCE).encode(),), _JSON_WORDS),
    Target("matchers", _matchers, MATCHERS, _MATCHER_WORDS),
    Target("time-intervals", _intervals, (_INTERVAL_SEED,), _INTERVAL_WORDS),
    Target("regular-expressions", _regex, REGEXES, _REGEX_WORDS, 200e-6, 4000),
)
