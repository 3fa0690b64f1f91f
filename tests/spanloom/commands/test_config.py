from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
import yaml
from click.testing import CliRunner

from spanloom.cli import main
from spanloom.commands.config import config
from spanloom.config import load_config, without_password
from spanloom.process.stores import open_store
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_shown_is_the_file_the_environment_and_the_defaults_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "spanloom.yml"
    file.write_text("namespace: eu\ntopics: {partitions: 7}\n")
    monkeypatch.setenv("SPANLOOM_TOPICS__PARTITIONS", "9")
    done = CliRunner().invoke(config, ["show", "--config", str(file), "--json"])
    assert done.exit_code == 0, done.output
    shown = json.loads(done.stdout)
    assert (shown["namespace"], shown["topics"]["partitions"], shown["otlp_http"]["port"]) == ("eu", 9, 4318)
    assert shown["log"].startswith("log://")


def test_secrets_are_masked_wherever_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPANLOOM_STORE", "https://elastic:s3cret@search:9200")
    monkeypatch.setenv("SPANLOOM_ELASTICSEARCH__API_KEY", "s3cret")
    monkeypatch.setenv("SPANLOOM_KAFKA__PASSWORD", "s3cret")
    done = CliRunner().invoke(config, ["show"])
    assert done.exit_code == 0, done.output
    assert "s3cret" not in done.stdout
    assert yaml.safe_load(done.stdout)["store"] == "https://elastic:**********@search:9200"


def test_a_url_without_a_password_is_left_as_it_is() -> None:
    for url in ("kafka://one:9092;two:9092", "log:///var/lib", "http://user@host:1/x?y=z", ""):
        assert without_password(url) == url


@pytest.mark.parametrize(
    "url", ["elasticsearch://elastic:s3cret@es:9200", "elastic:s3cret@es:9200", "x://elastic:s3@cret@es:9200"]
)
def test_no_error_shows_the_password_of_a_url(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SPANLOOM_STORE", url)
    monkeypatch.setenv("SPANLOOM_LOG", "kafka://127.0.0.1:1")
    with pytest.raises(SystemExit) as ended:
        main(["worker", "--once"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "elastic:**********@es:9200" in said
    assert "cret" not in said
    with pytest.raises(ConfigError, match="must be duckdb") as refused:
        open_store(load_config())
    assert "cret" not in str(refused.value)


def test_a_detector_is_configured_in_the_file_and_by_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "spanloom.yml"
    file.write_text("score:\n  error_rate: {min_ratio: 0.2}\n")
    monkeypatch.setenv("SPANLOOM_SCORE__LOGS__ENABLED", "false")
    score = load_config(file).score.model_dump()
    assert {name for name, section in score.items() if not section["enabled"]} == {"logs"}
    assert score["error_rate"] == {"enabled": True, "min_score": 0.8, "min_ratio": 0.2}


def test_a_threshold_that_cannot_be_is_refused_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "spanloom.yml"
    file.write_text("score:\n  series: {min_score: 2}\n  shapes: {}\n")
    with pytest.raises(ConfigError) as refused:
        load_config(file)
    assert f"{file}:2:23: score.series.min_score: Input should be less than or equal to 1" in str(refused.value)
    assert f"{file}:3:3: score.shapes: there is no such setting" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("namespace: eu\n  topics: {a\n", ":2:9: mapping values are not allowed here"),
        ("assemble: {queit: 3}\n", ":1:12: assemble.queit: there is no such setting; did you mean quiet?"),
        ("topcis: {}\n", ":1:1: topcis: there is no such setting; did you mean topics?"),
        ("score:\n  logs: {enabeld: no}\n", ":2:10: score.logs.enabeld: there is no such setting; did you mean enabled?"),
        ("alerting:\n  alertmanagers:\n    - schema: http\n", "alerting.alertmanagers[0].schema: there is no such setting; "),
        ("topics: {partitions: many}\n", ":1:22: topics.partitions: Input should be a valid integer"),
        ("topics: {partitions: 1, partitions: 2}\n", ':1:25: duplicate key "partitions"'),
        ("console: 8080\n", ":1:10: console: must be HOST:PORT, such as 127.0.0.1:8080"),
        ("log: kafkaa://x\n", ":1:6: log: must be log://DIR or kafka://HOST:PORT[;HOST:PORT]"),
        ("log: kafka://one:9092;two:port\n", ":1:6: log: must be kafka://HOST:PORT[;HOST:PORT], with a number"),
        ("store: htp://search:9200\n", "1:8: store: must be duckdb://FILE or http(s)://HOST:PORT, not 'htp://search:9200'"),
        ("- namespace\n", ":1:1: must be settings and their values"),
    ],
)
def test_a_mistake_is_refused_with_its_place_and_what_was_meant(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "spanloom.yml"
    file.write_text(text)
    for command in (["config", "check", str(file)], ["worker", "--once", "--config", str(file)]):
        with pytest.raises(SystemExit) as ended:
            main(command)
        errors = capsys.readouterr().err
        assert ended.value.code == 2
        assert said in errors
        assert "Traceback" not in errors


def test_all_mistakes_of_file_and_variables_are_reported_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "spanloom.yml"
    file.write_text("assemble: {queit: 3}\n")
    monkeypatch.setenv("SPANLOOM_CONSOLE", "80800")
    monkeypatch.setenv("SPANLOOM_TOPICS__PARTITONS", "3")
    monkeypatch.setenv("SPANLOOM_NAMESPCE", "eu")
    with pytest.raises(SystemExit) as ended:
        main(["config", "check", str(file)])
    assert ended.value.code == 2
    errors = capsys.readouterr().err
    assert f"{file}:1:12: assemble.queit" in errors
    assert "SPANLOOM_CONSOLE: console: must be HOST:PORT" in errors
    assert "SPANLOOM_TOPICS__PARTITONS: topics.partitons: there is no such setting; did you mean partitions?" in errors
    assert "SPANLOOM_NAMESPCE: there is no such setting; did you mean SPANLOOM_NAMESPACE?" in errors


def test_a_right_configuration_has_no_mistakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SPANLOOM_")]:
        monkeypatch.delenv(name)  # those of the tests themselves are no settings
    file = tmp_path / "spanloom.yml"
    file.write_text("log: kafka://one:9092;[::1]:9093\nstore: http://search:9200\nconsole: 0.0.0.0:8081\n")
    done = CliRunner().invoke(config, ["check", str(file)])
    assert (done.exit_code, done.output) == (0, f"{file}: no mistakes\n")


def test_a_file_that_the_variable_names_and_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPANLOOM_CONFIG", "nowhere.yml")
    with pytest.raises(ConfigError, match=r"nowhere\.yml: No such file or directory"):
        load_config()


def test_a_variable_of_a_section_that_is_no_json_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPANLOOM_KAFKA", "broker:9092")
    with pytest.raises(ConfigError, match="SPANLOOM_KAFKA: kafka: must be JSON"):
        load_config()
