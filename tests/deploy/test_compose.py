"""docker-compose.yml: valid, pinned, bounded, closed, and in step with the rest of the repository."""

from __future__ import annotations

import json
import re
import shutil
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from components.access.roles import Role
from components.access.tokens import TokenConfig, Tokens
from tests.deploy.files import COMPOSE, ROOT, check_spanloom, check_variables, clean_environment, compose, options_of

if TYPE_CHECKING:
    from pathlib import Path

SERVICES: dict[str, dict[str, Any]] = compose()["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("spanloom")}
SECRETS = {"ELASTIC_PASSWORD": "a", "KIBANA_PASSWORD": "b", "KIBANA_ENCRYPTION_KEY": "c" * 32, "APPROVAL_KEY": "d" * 32}
SECRETS |= {"TOKEN_HASH": f"sha256:{'e' * 64}"}

each_service = pytest.mark.parametrize("name", SERVICES)
each_of_ours = pytest.mark.parametrize("name", OURS)


def test_docker_compose_accepts_the_file() -> None:
    if not has_compose():
        pytest.skip("NO DOCKER COMPOSE: the file is checked against the compose specification's schema alone")
    asked = ["docker", "compose", "--file", str(COMPOSE), "config", "--quiet"]
    checked = subprocess.run(asked, env=clean_environment(**SECRETS), capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


def has_compose() -> bool:
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0


def test_the_file_follows_the_compose_specification() -> None:
    pytest.importorskip("check_jsonschema", reason="NO CHECK-JSONSCHEMA: it carries the compose specification's schema")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_every_part_of_the_distributed_deployment_is_there() -> None:
    assert {"kafka", "elasticsearch", "kibana", "collector", "worker", "console", "shop", "users"} <= SERVICES.keys()


@each_service
def test_an_image_is_pinned_to_a_full_version(name: str) -> None:
    assert re.search(r":\d+\.\d+\.\d+$", SERVICES[name]["image"])


@pytest.mark.parametrize(
    ("pom", "images"),
    [
        ("kafka", {"apache/kafka"}),
        ("elasticsearch", {"docker.elastic.co/elasticsearch/elasticsearch", "docker.elastic.co/kibana/kibana"}),
    ],
)
def test_kafka_and_elasticsearch_are_the_versions_that_the_tests_run_on(pom: str, images: set[str]) -> None:
    tested = re.findall(r"<version>([\d.]+)</version>", (ROOT / "deploy" / "local" / pom / "pom.xml").read_text())[1]
    found = dict(service["image"].rsplit(":", 1) for service in SERVICES.values())
    assert {found[image] for image in images} == {tested}


@each_service
def test_a_service_is_no_root_has_no_capabilities_and_is_bounded(name: str) -> None:
    service = SERVICES[name]
    assert not re.match(r"(0|root)(:|$)", service["user"])
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    limits = service["deploy"]["resources"]["limits"]
    assert limits.keys() == {"cpus", "memory", "pids"}


@each_service
def test_what_is_published_listens_on_loopback_alone(name: str) -> None:
    for port in SERVICES[name].get("ports", ()):
        assert port.startswith("127.0.0.1:")


def test_no_port_of_the_host_is_taken_twice() -> None:
    taken = [port.split(":")[1] for service in SERVICES.values() for port in service.get("ports", ())]
    assert len(taken) == len(set(taken))


@each_service
def test_secrets_come_from_outside_and_are_not_optional(name: str) -> None:
    for variable, value in SERVICES[name].get("environment", {}).items():
        if variable == "SPANLOOM_ACCESS__TOKENS":  # hashes, which are none; and those of each installation its own
            assert re.fullmatch(r"\$\{TOKEN_HASH:\?[^}]+\}", json.loads(value)[0]["hash"])
        elif re.search("PASSWORD|KEY|TOKEN|SECRET", variable):
            assert re.fullmatch(r"\$\{[A-Z_]+:\?[^}]+\}", value), variable
        assert not re.search(r"://[^/@$]+:[^$]", str(value)) or "@" not in str(value), variable


def test_the_collector_which_strangers_reach_gets_no_secret() -> None:
    given = SERVICES["collector"]["environment"]
    assert "${" not in str(given)
    assert not any(re.search("PASSWORD|KEY|TOKEN|SECRET|STORE|ELASTICSEARCH", variable) for variable in given)
    assert "SPANLOOM_ALERTING__APPROVAL_KEY" not in SERVICES["console"]["environment"]


def test_the_generated_secrets_are_all_that_is_asked_for_and_nobody_elses_to_read(tmp_path: Path) -> None:
    asked = set(re.findall(r"\$\{([A-Z_]+)", COMPOSE.read_text()))
    (tmp_path / "deploy").mkdir()
    script = shutil.copy(ROOT / "deploy" / "make-env", tmp_path / "deploy")
    subprocess.run([script], check=True)
    made = tmp_path / ".env"
    first = made.read_text()
    values = dict(line.split("=") for line in first.splitlines())
    assert values.keys() == asked | {"SPANLOOM_TOKEN"}
    assert len(set(values.values())) == len(values)
    token, token_is = values["SPANLOOM_TOKEN"], values["TOKEN_HASH"]
    assert Tokens([TokenConfig(name="admin", role=Role.ADMIN, hash=token_is)]).find(token) is not None
    secrets = [value for name, value in values.items() if name not in {"SPANLOOM_TOKEN", "TOKEN_HASH"}]
    assert all(re.fullmatch("[0-9a-f]{48}", value) for value in secrets)
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    made.write_text("".join(first.splitlines(keepends=True)[:-1]) + "OWN=kept\n")  # an .env of before there was the last
    for _ in range(2):
        subprocess.run([script], check=True, capture_output=True)
        again = dict(line.split("=") for line in made.read_text().splitlines())
        assert again.keys() == asked | {"OWN", "SPANLOOM_TOKEN"}
        assert all(again[name] == values[name] for name in list(values)[:-1])
    assert stat.S_IMODE(made.stat().st_mode) == 0o600


def test_the_secrets_are_neither_committed_nor_in_the_image() -> None:
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()
    assert ".env" in (ROOT / "deploy" / "Dockerfile.dockerignore").read_text().splitlines()


@each_service
def test_whoever_waits_waits_for_what_can_be_waited_for(name: str) -> None:
    for needed, how in SERVICES[name].get("depends_on", {}).items():
        other = SERVICES[needed]
        if how["condition"] == "service_healthy":
            assert "healthcheck" in other, needed
        else:
            assert how["condition"] == "service_completed_successfully"
            assert other["restart"] == "no", needed


@pytest.mark.parametrize("name", ["collector", "worker", "console"])
def test_a_role_waits_for_the_setup_and_is_watched(name: str) -> None:
    assert SERVICES[name]["depends_on"].keys() == {"setup-kafka", "setup-elasticsearch"}
    assert "/readyz" in SERVICES[name]["healthcheck"]["test"][-1]


@pytest.mark.parametrize("name", [name for name, service in OURS.items() if "entrypoint" not in service])
def test_spanloom_knows_the_command(name: str) -> None:
    check_spanloom(OURS[name]["command"])


@pytest.mark.parametrize(
    "name",
    [
        "shop",
        "users",
    ],
)
def test_the_demo_knows_its_options(name: str) -> None:
    *python, module = OURS[name]["entrypoint"]
    assert python == ["python", "-m"]
    for word in OURS[name]["command"]:
        if word.startswith("--"):
            assert word in options_of(module)


@each_of_ours
def test_the_configuration_knows_the_variables(name: str) -> None:
    check_variables(OURS[name].get("environment", {}))


NEEDED = {
    "collector": {"LOG", "DATA_DIR", "CONSOLE", "ACCESS", "OTLP_GRPC", "OTLP_HTTP", "INGEST", "SHIPPER"},
    "setup-kafka": {"LOG", "DATA_DIR", "CONSOLE", "ACCESS"},
    "setup-elasticsearch": {"LOG", "DATA_DIR", "CONSOLE", "ACCESS", "STORE", "ELASTICSEARCH"},
    "console": {"LOG", "DATA_DIR", "CONSOLE", "ACCESS", "STORE", "ELASTICSEARCH"},
}
"""The parts of the configuration that a service may get; a worker gets what it needs to decide and repair."""


@pytest.mark.parametrize("name", NEEDED)
def test_a_service_gets_no_more_of_the_configuration_than_it_needs(name: str) -> None:
    assert {variable.removeprefix("SPANLOOM_").partition("__")[0] for variable in OURS[name]["environment"]} <= NEEDED[name]


def test_the_collector_gets_no_secret_at_all_and_cannot_reach_the_store() -> None:
    collector = OURS["collector"]
    assert not re.search(r"\$\{", json.dumps(collector["environment"]))
    assert not {"env_file", "secrets", "configs"} & collector.keys()
    for name in ("elasticsearch", "kibana", "console"):
        assert not set(collector["networks"]) & set(SERVICES[name]["networks"])
    assert set(collector["networks"]) & set(SERVICES["worker"]["networks"]) == {"log"}


def test_every_network_is_declared_and_every_service_says_on_which_it_is() -> None:
    used = {network for service in SERVICES.values() for network in service.get("networks", ())}
    assert used == compose()["networks"].keys()
    for name, service in SERVICES.items():
        assert service.get("networks") or service["network_mode"].startswith("service:"), name


def test_every_volume_is_declared_and_used() -> None:
    used = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", ())}
    assert {volume for volume in used if not volume.startswith((".", "/"))} == compose()["volumes"].keys()
    for path in (volume for volume in used if volume.startswith(".")):
        assert (ROOT / path).exists()
