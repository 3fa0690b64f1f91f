from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from spanloom.cli import main
from tests.services import free_port

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def ports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, int]:
    """A configuration of its own: nothing runs."""
    found = {name: free_port() for name in ("OTLP_HTTP", "OTLP_GRPC", "CONSOLE")}
    for name, port in found.items():
        monkeypatch.setenv(f"SPANLOOM_{name}", f"127.0.0.1:{port}")
    monkeypatch.setenv("SPANLOOM_DATA_DIR", str(tmp_path / "data"))
    return found


def findings() -> tuple[int, dict[str, list[tuple[str, str]]]]:
    """The exit code; of each subject the verdicts and what is said."""
    done = CliRunner().invoke(main, ["doctor", "--json"])
    found: dict[str, list[tuple[str, str]]] = {}
    for one in json.loads(done.stdout):
        found.setdefault(one["about"], []).append((one["verdict"], one["message"]))
    return done.exit_code, found


def test_nothing_is_bad_where_nothing_has_been_started(ports: dict[str, int], tmp_path: Path) -> None:
    code, found = findings()
    assert code == 0, found
    assert sorted(said.rpartition(" is ")[2] for _, said in found["port"]) == ["free"] * len(ports)
    assert found["store"][0][1].endswith("made at the first start")
    assert not (tmp_path / "data").exists(), "it changes nothing"


def test_a_taken_port_is_named(ports: dict[str, int]) -> None:
    with socket.create_server(("127.0.0.1", ports["OTLP_GRPC"])):
        code, found = findings()
    bad = [said for verdict, said in found["port"] if verdict == "bad"]
    assert (code, len(bad)) == (1, 1)
    assert bad[0].startswith(f"otlp_grpc: 127.0.0.1:{ports['OTLP_GRPC']}: Address already in use")


@pytest.mark.usefixtures("ports")
def test_mistakes_of_named_files_are_told_with_their_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text("groups:\n- name: a\n  rules:\n  - {alert: A, expr: sum(}\n")
    (tmp_path / "receivers.yml").write_text("route: {receiver: nobody}\n")
    monkeypatch.setenv("SPANLOOM_ALERTING__RULES", json.dumps([str(tmp_path / "rules.yml"), str(tmp_path / "none*.yml")]))
    monkeypatch.setenv("SPANLOOM_ALERTING__RECEIVERS", str(tmp_path / "receivers.yml"))
    code, found = findings()
    assert code == 1
    assert found["rules"][0] == ("note", f"{tmp_path / 'none*.yml'}: no such file yet")
    assert found["rules"][1][0] == "bad"
    assert found["rules"][1][1].startswith(f"{tmp_path / 'rules.yml'}:4:")
    assert found["receivers"][0][0] == "bad"


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPANLOOM_TOPICS__PARTITIONS", "none")
    code, found = findings()
    assert (code, list(found)) == (1, ["configuration"])
    assert "topics.partitions" in found["configuration"][0][1]


def test_without_elasticsearch_the_store_is_bad(ports: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPANLOOM_STORE", f"http://127.0.0.1:{ports['CONSOLE']}")
    code, found = findings()
    assert (code, found["store"][0][0]) == (1, "bad")
