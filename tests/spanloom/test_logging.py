"""What is written of what other libraries say."""

from __future__ import annotations

import json
import logging
import os
from asyncio import CancelledError

import pytest
import structlog
from aiokafka.errors import NodeNotReadyError
from click.testing import CliRunner

from components.secrets import Secrets
from pipeline.state.table import DamagedStateError
from spanloom.cli import main
from spanloom.logging import FORMAT_VARIABLE, LEVEL_VARIABLE, RepeatFilter, set_up_logging
from telemetry.errors import ConfigError


def test_lines_are_json_objects_without_secrets_where_that_is_wanted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FORMAT_VARIABLE, "json")
    monkeypatch.setenv(LEVEL_VARIABLE, "warning")
    secrets = Secrets()
    secrets.add('pass"word')
    set_up_logging(secrets=secrets)
    structlog.get_logger("spanloom").info("started")
    structlog.get_logger("spanloom.roles").warning("two\nlines", reason='it is pass"word', at=Secrets)
    logging.getLogger("aiokafka").error("no %s", "broker", exc_info=ValueError('of pass"word'))
    said = capsys.readouterr().err
    first, second = map(json.loads, said.splitlines())
    assert first["event"] == "two\nlines"
    assert first["level"] == "warning"
    assert first["logger"] == "spanloom.roles"
    assert first["timestamp"].endswith("Z")
    assert (second["event"], second["logger"]) == ("no broker", "aiokafka")
    assert "ValueError" in second["exception"]
    assert "word" not in said


def test_lines_are_text_from_info_on_by_default(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FORMAT_VARIABLE, raising=False)
    monkeypatch.setenv(LEVEL_VARIABLE, "")
    set_up_logging(secrets=Secrets())
    structlog.get_logger("spanloom").debug("detail")
    structlog.get_logger("spanloom").info("started", port=1)
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "[info     ] started" in line


def test_a_level_that_does_not_exist_is_refused_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LEVEL_VARIABLE, "loud")
    with pytest.raises(ConfigError, match="SPANLOOM_LOG_LEVEL: 'loud' is none of debug, info, warning, error"):
        set_up_logging()


@pytest.mark.parametrize("before", [True, False])
def test_options_reach_the_processes_that_a_command_starts(before: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001
    monkeypatch.setenv(LEVEL_VARIABLE, "")
    monkeypatch.setenv(FORMAT_VARIABLE, "")
    options = ["--log-level", "DEBUG", "--log-format", "json"]
    found: dict[str, str | None] = {}

    def look(**_: object) -> None:
        found.update(os.environ)

    monkeypatch.setattr("spanloom.commands.worker.worker.callback", look)
    done = CliRunner().invoke(main, [*options, "worker"] if before else ["worker", *options])
    assert done.exit_code == 0, done.output
    assert (found[LEVEL_VARIABLE], found[FORMAT_VARIABLE]) == ("debug", "json")


def record(text: str, name: str = "aiokafka", at: float = 1000.0, error: BaseException | None = None) -> logging.LogRecord:
    made = logging.LogRecord(name, logging.ERROR, __file__, 1, text, (), (type(error), error, None) if error else None)
    made.created = at
    return made


def written(calm: RepeatFilter, *records: logging.LogRecord) -> list[str]:
    return [one.getMessage() for one in records if calm.filter(one)]


def test_a_line_of_a_client_comes_once_a_minute_with_how_often_it_was_suppressed() -> None:
    lines = [record("Unable connect", at=1000 + second / 10) for second in range(650)]
    assert written(RepeatFilter(), *lines) == ["Unable connect", "Unable connect (and 599 times since the last such line)"]


def test_different_lines_do_not_hide_each_other() -> None:
    calm = RepeatFilter()
    assert written(calm, record("a"), record("b"), record("a", name="aiokafka.client"), record("a")) == ["a", "b", "a"]


def test_our_own_lines_all_come() -> None:
    assert len(written(RepeatFilter(), *[record("dead_letter", name="pipeline.dead_letters.limits") for _ in range(5)])) == 5


def test_a_lost_connection_is_one_line_without_a_traceback() -> None:
    for error in (NodeNotReadyError("node 1"), CancelledError(), RuntimeError("Event loop is closed")):
        made = record("Exception in callback\nhandle: <Handle ...>", name="asyncio", error=error)
        assert written(RepeatFilter(), made) == [f"Exception in callback: {error!r}"]
        assert made.exc_info is None


def test_what_a_person_has_to_change_is_one_line_without_a_traceback() -> None:
    error = DamagedStateError("changelog[0] offset 7: the value cannot be used", "spanloom dlq skip changelog 0 7")
    made = record("[^---Recovery]: Crashed reason=DamagedStateError(...)", name="mode", error=error)
    assert written(RepeatFilter(), made) == [f"[^---Recovery]: Crashed reason=DamagedStateError(...): {error!r}"]
    assert made.exc_info is None


def test_a_service_of_ours_says_a_lost_connection_as_short() -> None:
    made = record("Error while stopping child", name="pipeline.runtime.kafka", error=RuntimeError("Event loop is closed"))
    assert written(RepeatFilter(), made) == ["Error while stopping child: RuntimeError('Event loop is closed')"]
    assert made.exc_info is None


def test_an_error_that_nobody_expects_keeps_its_traceback() -> None:
    made = record("Crashed", name="mode", error=KeyError("spanloom.batch"))
    assert RepeatFilter().filter(made)
    assert made.exc_info is not None


def test_the_memory_of_lines_is_bounded() -> None:
    calm = RepeatFilter()
    assert len(written(calm, *[record(f"topic {number}") for number in range(5000)])) == 5000
    assert len(calm._said) <= 1000
