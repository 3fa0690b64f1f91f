"""The Kubernetes manifests: valid, probed, bounded, closed, scaled on lag."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import pytest
import yaml

from pipeline.exchange.topics import Topic
from spanloom.wiring import STAGES, _group
from tests.deploy.files import KUBERNETES, check_spanloom, check_variables, manifests

OBJECTS = {f"{item['kind']}/{item['metadata']['name']}": item for item in manifests()}
PODS = {name: item["spec"]["template"]["spec"] for name, item in OBJECTS.items() if "template" in item.get("spec", {})}
ROLES = {name: item for name, item in OBJECTS.items() if item["kind"] == "Deployment"}
VARIABLES: dict[str, str] = OBJECTS["ConfigMap/spanloom"]["data"]
OF_COLLECTOR: dict[str, str] = OBJECTS["ConfigMap/collector"]["data"]

each_object = pytest.mark.parametrize("name", OBJECTS)
each_pod = pytest.mark.parametrize("name", PODS)
each_role = pytest.mark.parametrize("name", ROLES)


@pytest.mark.parametrize("name", [name for name, item in OBJECTS.items() if not item["apiVersion"].startswith("keda.sh/")])
def test_an_object_follows_kubernetes_own_schema(name: str) -> None:
    validate = pytest.importorskip("kubernetes_validate", reason="NO KUBERNETES-VALIDATE: it carries Kubernetes' schemas")
    validate.validate(OBJECTS[name], validate.latest_version(), strict=True)


def test_kustomize_builds_every_object_in_the_namespace() -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("NO KUBECTL: the manifests are read without kustomize")
    built = subprocess.run(["kubectl", "kustomize", KUBERNETES], capture_output=True, text=True, check=True)
    found = list(yaml.safe_load_all(built.stdout))
    assert {f"{item['kind']}/{item['metadata']['name']}" for item in found} == OBJECTS.keys()
    assert {item["metadata"].get("namespace") for item in found if item["kind"] != "Namespace"} == {"spanloom"}


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod.get("initContainers", ()), *pod["containers"]]


@each_pod
def test_a_pod_may_do_nothing_that_the_restricted_standard_forbids(name: str) -> None:
    pod = PODS[name]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in containers(pod):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
    assert OBJECTS["Namespace/spanloom"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@each_pod
def test_a_container_is_bounded_and_mounts_what_its_pod_has(name: str) -> None:
    volumes = {volume["name"] for volume in PODS[name]["volumes"]}
    for container in containers(PODS[name]):
        assert container["resources"]["requests"].keys() == container["resources"]["limits"].keys() == {"cpu", "memory"}
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
    for volume in PODS[name]["volumes"]:
        assert "secret" in volume or "sizeLimit" in volume["emptyDir"]


@each_pod
def test_spanloom_knows_the_command(name: str) -> None:
    for container in containers(PODS[name]):
        assert container["image"] == "spanloom"
        check_spanloom(container["args"])


@each_role
def test_a_role_is_probed_and_scraped_where_it_listens(name: str) -> None:
    (container,) = PODS[name]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    for probe, path in (("startupProbe", "/healthz"), ("readinessProbe", "/readyz"), ("livenessProbe", "/healthz")):
        assert container[probe]["httpGet"] == {"path": path, "port": "http"}
    annotations = ROLES[name]["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/path"] == "/metrics"
    assert int(annotations["prometheus.io/port"]) == ports["http"]
    for variables in (VARIABLES, OF_COLLECTOR):
        assert variables["SPANLOOM_CONSOLE"] == f"0.0.0.0:{ports['http']}"


def test_the_collector_is_reached_where_it_listens() -> None:
    (container,) = PODS["Deployment/collector"]["containers"]
    listening = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert OF_COLLECTOR["SPANLOOM_OTLP_GRPC"] == f"0.0.0.0:{listening['otlp-grpc']}"
    assert OF_COLLECTOR["SPANLOOM_OTLP_HTTP"] == f"0.0.0.0:{listening['otlp-http']}"
    assert {port["targetPort"] for port in OBJECTS["Service/collector"]["spec"]["ports"]} == {"otlp-grpc", "otlp-http"}


def test_links_to_on_call_lead_to_the_workers() -> None:
    service = OBJECTS["Service/worker"]
    (port,) = service["spec"]["ports"]
    assert VARIABLES["SPANLOOM_ALERTING__EXTERNAL_URL"] == f"http://worker.spanloom:{port['port']}"


def test_the_configuration_knows_the_variables_and_none_is_a_secret() -> None:
    for variables in (VARIABLES, OF_COLLECTOR):
        check_variables(variables)
        assert not any(word in name for name in variables for word in ("PASSWORD", "KEY", "TOKEN"))
    assert "Secret" not in {item["kind"] for item in OBJECTS.values()}


def test_the_collector_which_strangers_reach_gets_the_secret_of_collectors_alone() -> None:
    (container,) = PODS["Deployment/collector"]["containers"]
    secrets = [source["secretRef"]["name"] for source in container["envFrom"] if "secretRef" in source]
    assert secrets == ["spanloom-collector"]
    assert "secretKeyRef" not in str(container)
    assert {volume["secret"]["secretName"] for volume in PODS["Deployment/collector"]["volumes"] if "secret" in volume} == {
        "spanloom-trust"  # certificates of others, which are no secret
    }


def references(value: Any) -> set[str]:
    """Every Secret, ConfigMap and ServiceAccount that a part of a manifest names, wherever it stands."""
    if isinstance(value, list):
        return set().union(*map(references, value))
    if not isinstance(value, dict):
        return set()
    found = set().union(*map(references, value.values()))
    for key in ("secretRef", "secretKeyRef", "configMapRef", "configMapKeyRef", "configMap"):
        if key in value:
            found.add(f"{'Secret' if key.startswith('secret') else 'ConfigMap'}/{value[key]['name']}")
    if "secretName" in value:
        found.add(f"Secret/{value['secretName']}")
    if "serviceAccountName" in value:
        found.add(f"ServiceAccount/{value['serviceAccountName']}")
    return found


def test_the_collector_gets_nothing_that_another_role_has() -> None:
    template = ROLES["Deployment/collector"]["spec"]["template"]
    names = references(template)
    assert names == {"ConfigMap/collector", "Secret/spanloom-collector", "ServiceAccount/collector", "Secret/spanloom-trust"}
    trust = next(volume["secret"] for volume in PODS["Deployment/collector"]["volumes"] if volume["name"] == "trust")
    assert trust["items"] == [{"key": "kafka.crt", "path": "kafka.crt"}]  # certificates of a CA: not even these are secret
    others = set().union(*(references(pod) for name, pod in PODS.items() if name != "Deployment/collector"))
    assert names & others == {"Secret/spanloom-trust"}


def test_the_collector_is_configured_for_the_log_and_its_ports_alone_and_has_no_right_in_the_cluster() -> None:
    kinds = {name.removeprefix("SPANLOOM_").partition("__")[0] for name in OF_COLLECTOR}
    assert kinds <= {"LOG", "DATA_DIR", "OTLP_GRPC", "OTLP_HTTP", "CONSOLE", "ACCESS", "INGEST", "SHIPPER", "KAFKA"}
    assert OF_COLLECTOR["SPANLOOM_LOG"] == VARIABLES["SPANLOOM_LOG"]
    assert OBJECTS["ServiceAccount/collector"]["automountServiceAccountToken"] is False
    assert not {item["kind"] for item in OBJECTS.values()} & {"RoleBinding", "ClusterRoleBinding"}
    egress = OBJECTS["NetworkPolicy/collector"]["spec"]["egress"]
    assert {port["port"] for rule in egress for port in rule["ports"]} == {53, 9092}


@each_object
def test_selectors_select_pods_that_exist(name: str) -> None:
    labels = [item["spec"]["template"]["metadata"]["labels"] for item in OBJECTS.values() if "template" in item.get("spec", {})]
    spec = OBJECTS[name].get("spec", {})
    selector = spec.get("podSelector", spec.get("selector", {}))
    wanted = selector.get("matchLabels", selector if OBJECTS[name]["kind"] == "Service" else {})
    assert any(wanted.items() <= found.items() for found in labels)


def test_workers_are_scaled_on_the_lag_of_every_topic_that_they_read() -> None:
    spec = OBJECTS["ScaledObject/worker"]["spec"]
    target = spec["scaleTargetRef"]
    assert OBJECTS[f"{target['kind']}/{target['name']}"]["apiVersion"] == target["apiVersion"]
    assert "replicas" not in ROLES["Deployment/worker"]["spec"]
    assert 0 < spec["minReplicaCount"] < spec["maxReplicaCount"] == int(VARIABLES["SPANLOOM_TOPICS__PARTITIONS"])
    read = {trigger["metadata"]["topic"] for trigger in spec["triggers"]}
    not_shared_out = {Topic.SIGNALS, Topic.DEAD_LETTERS}  # of one partition: another worker would not help
    assert read == set(Topic) - not_shared_out
    for trigger in spec["triggers"]:
        assert trigger["type"] == "kafka"
        assert trigger["metadata"]["consumerGroup"] == _group(STAGES)
        assert f"kafka://{trigger['metadata']['bootstrapServers']}" == VARIABLES["SPANLOOM_LOG"]
        assert trigger["metadata"].keys() == {"bootstrapServers", "consumerGroup", "topic", "lagThreshold", "offsetResetPolicy"}
