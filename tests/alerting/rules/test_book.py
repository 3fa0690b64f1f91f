"""Rules that are set by namespace, beside those of files, and the API that sets them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.testclient import TestClient

from alerting.rules import api
from alerting.rules import book as rule_book
from alerting.rules.book import RuleBook
from alerting.rules.engine import AlertEngine
from alerting.rules.files import parse_rules
from components.durations import SECOND
from telemetry.errors import ConfigError, InputError
from tests.identified import Identified

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE = "groups: [{name: of-file, rules: [{alert: Filed, expr: vector(1)}]}]"
GROUP = "name: latency\ninterval: 5s\nrules:\n- alert: Slow\n  expr: vector(2) > 1\n  labels: {team: päy}\n"
BAD = "name: latency\nrules:\n- alert: Slow\n  expr: ratee(x[5m])\n"
YAML = {"content-type": "application/yaml"}
START = 1_700_000_000 * SECOND


def book(files: str = FILE) -> tuple[RuleBook, AlertEngine]:
    engine = AlertEngine(parse_rules(files, "rules.yml"))
    return RuleBook(engine, files=engine.groups), engine


def used(engine: AlertEngine) -> list[tuple[str, str, list[str]]]:
    return [(group.file, group.name, [rule.name for rule in group.rules]) for group in engine.groups]


def test_a_group_that_is_set_is_evaluated_beside_those_of_files() -> None:
    rules, engine = book()
    rules.set("shop", GROUP)
    assert used(engine) == [("rules.yml", "of-file", ["Filed"]), ("api:shop", "latency", ["Slow"])]
    assert {change.labels["alertname"] for change in engine.advance(START)} == {"Filed", "Slow"}
    rules.load_files(parse_rules("groups: []", "rules.yml"))
    assert used(engine) == [("api:shop", "latency", ["Slow"])], "a changed file leaves the namespaces alone"


def test_what_is_written_comes_back_as_it_was_and_numbers_as_numbers() -> None:
    rules, engine = book("groups: []")
    rules.set("shop", "name: yes\nlimit: 7\nrules:\n- {record: r, expr: 1, labels: {a: true, b: 010}, annotations: }")
    (text,) = rules.texts("shop").values()
    assert yaml.safe_load(text) == {
        "name": "yes", "limit": 7,
        "rules": [{"record": "r", "expr": "1", "labels": {"a": "true", "b": "010"}, "annotations": None}],
    }  # fmt: skip
    (group,) = engine.groups
    assert (group.name, group.limit, dict(group.rules[0].fixed_labels)) == ("yes", 7, {"a": "true", "b": "010"})
    again, restored = book("groups: []")
    again.restore(rules.snapshot())
    assert again.texts("shop") == rules.texts("shop")
    assert [rule.identity for rule in restored.groups[0].rules] == [rule.identity for rule in group.rules]


def test_a_rule_file_takes_the_place_of_its_namespace_and_a_group_only_its_own() -> None:
    rules, engine = book("groups: []")
    rules.set("shop", "groups: [{name: a, rules: []}, {name: b, rules: []}]")
    rules.set("other", GROUP)
    rules.set("shop", "name: b\nrules: [{record: x, expr: '1'}]")
    assert used(engine) == [("api:shop", "a", []), ("api:shop", "b", ["x"]), ("api:other", "latency", ["Slow"])]
    rules.set("shop", "groups: [{name: c}]")
    assert used(engine) == [("api:shop", "c", []), ("api:other", "latency", ["Slow"])]
    assert rules.remove("shop", "c")
    assert rules.remove("other")
    assert not rules.remove("other")
    assert used(engine) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (BAD, r'api:shop:4:\d+: group "latency": expr: .*unknown function "ratee"'),
        ("groups:\n- name: a\n  rule: []\n", r"api:shop:3:\d+: groups\[0\].rule: unknown field"),
        ("name: a\nrules: [{alert: A, expr: 'rate(x[3h])'}]", "reads 3h back, but samples are kept for 1h"),
        ("groups: [{name: a}, {name: a}]", 'group "a": name is used twice'),
        ("name: [", "api:shop:1"),
        ("", "name: is missing"),
        ("- 1", "api:shop:1"),
    ],
)
def test_what_cannot_be_used_is_refused_with_line_and_reason_and_the_old_stays(text: str, reason: str) -> None:
    rules, engine = book()
    rules.set("shop", GROUP)
    before = used(engine)
    with pytest.raises(ConfigError, match=reason):
        rules.set("shop", text)
    assert (used(engine), set(rules.texts("shop"))) == (before, {"latency"})


def test_namespaces_are_bounded_in_groups_in_bytes_and_in_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    rules, engine = book("groups: []")
    for name in ("", ".x", "a/b", "ä", "x" * 101):
        with pytest.raises(ConfigError, match="letters, digits"):
            rules.set(name, GROUP)
    monkeypatch.setattr(rule_book, "MAX_GROUPS", 2)
    rules.set("a", "groups: [{name: a}, {name: b}]")
    with pytest.raises(ConfigError, match="at most 2 of"):
        rules.set("b", GROUP)
    monkeypatch.setattr(rule_book, "MAX_BYTES", 50)
    with pytest.raises(ConfigError, match="of 50"):
        rules.set("a", GROUP)
    assert len(engine.groups) == 2


def test_namespaces_and_their_alerts_survive_a_restart() -> None:
    rules, engine = book()
    rules.set("shop", GROUP)
    (_, before) = engine.advance(START)
    another, its_engine = book()
    assert another.restore(rules.snapshot()) == []
    its_engine.restore(engine.snapshot())
    assert used(its_engine) == used(engine)
    (_, alert) = its_engine.active()
    assert (alert.fingerprint, alert.active_at) == (before.fingerprint, before.active_at)
    with pytest.raises(InputError, match="version 7"):
        another.restore({"version": 7})


def test_a_group_that_this_release_cannot_use_is_reported_and_kept() -> None:
    rules, engine = book()
    snapshot: dict[str, Any] = {
        "version": 1,
        "namespaces": {"shop": {"latency": BAD, "good": GROUP.replace("latency", "good")}},
    }
    (problem,) = rules.restore(snapshot)
    assert "api:shop:4" in problem
    assert [group.name for group in engine.groups] == ["of-file", "good"]
    assert rules.texts("shop")["latency"] == BAD
    assert rules.snapshot() == snapshot | {"changed": {"shop": 0}}


@given(
    st.lists(
        st.tuples(st.sampled_from(["set", "file", "remove", "bad"]), st.sampled_from("ab"), st.sampled_from("xyz")), max_size=20
    )
)
def test_whatever_was_called_the_engine_has_what_a_restart_would_have(calls: list[tuple[str, str, str]]) -> None:
    rules, engine = book()
    expected: dict[str, list[str]] = {"a": [], "b": []}
    for call, namespace, name in calls:
        kept = expected[namespace]
        match call:
            case "set":
                rules.set(namespace, f"name: {name}\nrules: []")
                expected[namespace] = kept if name in kept else [*kept, name]
            case "file":
                rules.set(namespace, f"groups: [{{name: {name}}}]")
                expected[namespace] = [name]
            case "remove":
                assert rules.remove(namespace, name) == (name in kept)
                expected[namespace] = [each for each in kept if each != name]
            case _:
                with pytest.raises(ConfigError):
                    rules.set(namespace, f"nam: {name}")
    found = sorted((group.file, group.name) for group in engine.groups if group.file.startswith("api:"))
    assert found == sorted((f"api:{namespace}", name) for namespace, names in expected.items() for name in names)
    another, its_engine = book()
    another.restore(rules.snapshot())
    assert sorted(used(its_engine)) == sorted(used(engine))


noted: list[tuple[str, str, dict[str, object]]] = []


@pytest.fixture
def client() -> Iterator[tuple[TestClient, list[dict[str, Any]]]]:
    rules, engine = book()
    saved: list[dict[str, Any]] = []
    noted.clear()

    async def save() -> None:
        saved.append(rules.snapshot())

    async def note(event: str, who: str, /, **data: object) -> None:
        noted.append((event, who, data))

    with TestClient(Identified(Starlette(routes=api.routes(lambda: {"default": engine}, rules, save, note)), "ann")) as client:
        yield client, saved


def test_the_api_sets_reads_and_deletes_and_answers_when_it_is_durable(
    client: tuple[TestClient, list[dict[str, Any]]],
) -> None:
    http, saved = client
    assert http.get("/api/v1/rules/shop").status_code == 404
    assert http.post("/api/v1/rules/shop", content=GROUP, headers=YAML).status_code == 202
    assert saved[-1]["namespaces"]["shop"].keys() == {"latency"}
    groups = http.get("/api/v1/rules").json()["data"]["groups"]
    assert [(group["file"], group["name"]) for group in groups] == [("rules.yml", "of-file"), ("api:shop", "latency")]
    assert yaml.safe_load(http.get("/api/v1/rules/shop").text) == {"shop": [yaml.safe_load(GROUP)]}
    assert yaml.safe_load(http.get("/api/v1/rules/shop/latency").text) == yaml.safe_load(GROUP)
    http.post("/api/v1/rules/shop", content="name: a/b\nrules: []", headers=YAML)
    assert http.get("/api/v1/rules/shop/a%2Fb").status_code == 200
    assert http.delete("/api/v1/rules/shop/a%2Fb").status_code == 202
    assert http.delete("/api/v1/rules/shop").status_code == 202
    assert http.delete("/api/v1/rules/shop").status_code == 404
    assert http.delete("/api/v1/rules/rules.yml").status_code == 404, "files change with their files"
    assert saved[-1]["namespaces"] == {}


def test_the_api_refuses_with_line_and_reason_and_what_a_form_could_send(
    client: tuple[TestClient, list[dict[str, Any]]],
) -> None:
    http, saved = client
    refused = http.post("/api/v1/rules/shop", content=BAD, headers=YAML)
    assert (refused.status_code, refused.json()["errorType"]) == (400, "bad_data")
    assert "api:shop:4:" in refused.json()["error"]
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        answer = http.post("/api/v1/rules/shop", content=GROUP, headers={"content-type": kind})
        assert "Content-Type: application/yaml" in answer.json()["error"]
    assert http.post("/api/v1/rules/shop", content=b"\xff", headers=YAML).status_code == 400
    large = http.post("/api/v1/rules/shop", content=GROUP + "#" * rule_book.MAX_BYTES, headers=YAML)
    assert "more than" in large.json()["error"]
    assert saved == []


def test_the_audit_trail_gets_who_set_and_removed_rules(client: tuple[TestClient, list[dict[str, Any]]]) -> None:
    http, _ = client
    http.post("/api/v1/rules/shop", content=GROUP, headers=YAML)
    http.post("/api/v1/rules/shop", content="no rules", headers=YAML)
    http.delete("/api/v1/rules/shop/latency")
    http.delete("/api/v1/rules/shop/latency")
    assert [(event, who, data["namespace"]) for event, who, data in noted] == [
        ("rules-set", "ann", "shop"),
        ("rules-removed", "ann", "shop"),
    ]
    assert noted[0][2]["sha256"] == hashlib.sha256(GROUP.encode()).hexdigest()


def test_no_rule_over_http_looks_like_a_request_for_approval() -> None:
    rules, _ = book()
    with pytest.raises(ConfigError, match="Spanloom's own"):
        rules.set("shop", "name: a\nrules:\n- alert: RepairApprovalRequested\n  expr: vector(1)\n")
