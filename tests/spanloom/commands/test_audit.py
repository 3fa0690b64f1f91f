from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import CliRunner

from spanloom.commands import audit as module
from spanloom.commands.audit import audit
from telemetry.documents import Kind
from tests.alerting.playbooks.world import START, Alert, Processes, healer, pass_time, playbooks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from telemetry.documents import Body


@pytest.fixture
def history(tmp_path: Path) -> list[tuple[Kind, Body]]:
    """All documents of a repair, as the API gives them."""
    world = Processes(sick={"cart/a"})
    made = healer(playbooks(tmp_path), world)
    made.on_alert(Alert("cart"), START)
    pass_time(made, world, START, 8)
    return [
        (document.kind, json.loads(json.dumps(document.body)) | {"_id": document.id, "@timestamp": document.time})
        for document in made.outbox()[0]
    ]


@pytest.fixture
def trail(history: list[tuple[Kind, Body]], tmp_path: Path) -> Path:
    file = tmp_path / "audit.jsonl"
    file.write_text("".join(json.dumps(body) + "\n" for kind, body in history if kind is Kind.AUDIT))
    return file


@pytest.fixture
def url(history: list[tuple[Kind, Body]]) -> Iterator[str]:
    """The console's API, with little pages."""

    class Api(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
            found = [b for kind, b in history if kind.value == asked["kind"] and b["@timestamp"] >= int(asked["since"])]
            body = json.dumps(sorted(found, key=lambda b: int(b["@timestamp"]))[: int(asked["limit"])]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_whole_trail_verifies_from_a_file_and_over_the_api(trail: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spanloom.api_client.PAGE", 11)
    for source in ([str(trail)], ["--url", url]):
        result = CliRunner().invoke(audit, ["verify", "--json", *source])
        assert result.exit_code == 0, result.output
        report = json.loads(result.output)
        assert report["whole"]
        assert report["chains"][0]["records"] == len(trail.read_text().splitlines())


def test_an_edited_record_fails_with_its_number(trail: Path) -> None:
    lines = trail.read_text().splitlines()
    lines[4] = lines[4].replace("step-done", "step-failed")
    trail.write_text("\n".join(lines))
    result = CliRunner().invoke(audit, ["verify", str(trail)])
    assert result.exit_code == 1
    assert "record 5: edited: its content does not have its hash" in result.output


def test_a_cut_end_is_found_by_the_incident_that_noted_it(history: list[tuple[Kind, Body]], url: str) -> None:
    last = max(i for i, (kind, body) in enumerate(history) if kind is Kind.AUDIT and body["incident"])
    del history[last:]
    history.append(
        (Kind.INCIDENT, {"id": "i", "_id": "i.1", "@timestamp": 0, "audit": {"chain": "default", "sequence": 99, "hash": "x"}})
    )
    result = CliRunner().invoke(audit, ["verify", "--url", url])
    assert result.exit_code == 1
    assert "record 99: missing: incident i noted it" in result.output


def test_what_is_stored_while_the_trail_is_read_is_no_fault(
    history: list[tuple[Kind, Body]], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = history[len(history) // 2 :]
    del history[len(history) // 2 :]
    read = module._read

    def read_and_store(file: Path | None, url: str, kind: Kind) -> list[Body]:
        found = read(file, url, kind)
        history.extend(later)
        later.clear()
        return found

    monkeypatch.setattr(module, "_read", read_and_store)
    result = CliRunner().invoke(audit, ["verify", "--url", url])
    assert result.exit_code == 0, result.output


def test_a_chain_of_which_nothing_is_left_is_a_fault_beside_one_that_is_whole(
    history: list[tuple[Kind, Body]], url: str
) -> None:
    noted = {"chain": "staging", "sequence": 4, "hash": "x"}
    history.append((Kind.INCIDENT, {"id": "i", "_id": "i.1", "@timestamp": 0, "audit": noted}))
    result = CliRunner().invoke(audit, ["verify", "--url", url])
    assert result.exit_code == 1
    assert "staging: 0 records, 1 faults; head none\n  record 4: missing: incident i noted it" in result.output
    assert "records, whole; head default:" in result.output


def test_a_noted_head_must_still_be_there(trail: Path) -> None:
    head = json.loads(CliRunner().invoke(audit, ["verify", "--json", str(trail)]).output)["chains"][0]["head"]
    assert CliRunner().invoke(audit, ["verify", str(trail), "--head", head]).exit_code == 0
    trail.write_text("\n".join(trail.read_text().splitlines()[:-1]))
    assert CliRunner().invoke(audit, ["verify", str(trail)]).exit_code == 0
    assert CliRunner().invoke(audit, ["verify", str(trail), "--head", head]).exit_code == 1
    for nonsense in ("nonsense", head.removeprefix("default:")):
        assert CliRunner().invoke(audit, ["verify", str(trail), "--head", nonsense]).exit_code == 2


def test_one_environment_is_verified_and_shown_without_the_others(trail: Path) -> None:
    lines = trail.read_text().splitlines()
    edited = [line.replace('"chain": "default"', '"chain": "staging"') for line in lines[:3]]  # their hashes are not theirs now
    trail.write_text("\n".join([*lines, *edited]))
    assert CliRunner().invoke(audit, ["verify", str(trail)]).exit_code == 1
    result = CliRunner().invoke(audit, ["verify", str(trail), "--environment", "default"])
    assert result.exit_code == 0, result.output
    assert "staging" not in result.output
    assert CliRunner().invoke(audit, ["verify", str(trail), "--environment", "staging"]).exit_code == 1
    result = CliRunner().invoke(audit, ["verify", str(trail), "--environment", "none"])
    assert result.exit_code == 1
    assert "there is no audit trail of none" in result.output
    incident = next(json.loads(line)["incident"] for line in lines if "matched" in line)
    assert CliRunner().invoke(audit, ["show", incident, str(trail), "--environment", "default"]).exit_code == 0
    assert CliRunner().invoke(audit, ["show", incident, str(trail), "--environment", "none"]).exit_code == 2


def test_show_tells_the_story_of_an_incident(trail: Path) -> None:
    incident = next(json.loads(line)["incident"] for line in trail.read_text().splitlines() if "matched" in line)
    result = CliRunner().invoke(audit, ["show", incident[:6], str(trail)])
    assert result.exit_code == 0
    assert result.output.splitlines()[0] == f"incident {incident}: repair on cart/a"
    assert "closed after 5.0 s: recovery proven" in result.output
    assert CliRunner().invoke(audit, ["show", "nonsense", str(trail)]).exit_code == 2


def test_no_trail_and_no_pipeline_are_failures_with_words(tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    assert CliRunner().invoke(audit, ["verify", str(empty)]).exit_code == 1
    result = CliRunner().invoke(audit, ["verify", "--url", "http://127.0.0.1:1"])
    assert result.exit_code == 1
    assert "start `spanloom up`" in result.output
