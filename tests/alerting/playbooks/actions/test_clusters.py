"""Docker and Kubernetes through their clients, against a local server that speaks the part of their APIs that is used."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from alerting.playbooks.actions.action import ActionError
from alerting.playbooks.actions.docker import Docker, DockerConfig
from alerting.playbooks.actions.kubernetes import ISOLATED, Kubernetes, KubernetesConfig
from tests.alerting.playbooks.actions.local_api import serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.alerting.playbooks.actions.local_api import Api


class Engine:
    """One container, `cart`, on the network `front`."""

    def __init__(self) -> None:
        self.connected, self.restarts = True, 0
        self.state: Any = {"Status": "running", "Running": True, "StartedAt": "2026-11-23T10:00:00.123456789Z"}
        self.slow: threading.Event | None = None

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        path = re.sub(r"^/v[0-9.]+", "", path).split("?")[0]
        container = {
            "Id": "c" * 64,
            "Name": "/cart",
            "State": self.state,
        }
        match method, path:
            case "GET", "/version":
                return 200, {"ApiVersion": "1.44"}
            case "GET", found if found in {"/containers/cart/json", f"/containers/{'c' * 64}/json"}:
                return 200, container
            case "POST", found if found == f"/containers/{'c' * 64}/restart":
                self.restarts += 1
                return 204, None
            case "GET", "/networks/front" | "/networks/n1":
                members: dict[Any, Any] = {container["Id"]: {}} if self.connected else {}
                return 200, {"Id": "n1", "Name": "front", "Containers": members}
            case "POST", "/networks/n1/disconnect" | "/networks/n1/connect":
                assert body["Container"] == container["Id"]
                if self.slow:
                    self.slow.wait(10)
                self.connected = path.endswith("/connect")
                return 200, None
        return 404, {"message": f"no such thing: {path}"}


@pytest.fixture
def engine() -> Iterator[tuple[Engine, Docker]]:
    pytest.importorskip("docker", reason="the package `docker` is not installed: its actions are not tested")
    made = Engine()
    with serve(made.answer) as api:
        yield made, Docker(DockerConfig(url=api.url.replace("http", "tcp"), network="front"))


async def test_docker_restarts_isolates_and_restores_and_does_nothing_twice(engine: tuple[Engine, Docker]) -> None:
    made, docker = engine
    assert (await docker.restart("cart", "k"))["state"] == "running"
    assert made.restarts == 1
    for _ in range(2):
        assert (await docker.isolate("cart", "k"))["network"] == "front"
        assert not made.connected
    for _ in range(2):
        await docker.restore("cart", "k")
        assert made.connected


async def test_no_inverse_is_overtaken_by_what_docker_does_too_late(engine: tuple[Engine, Docker]) -> None:
    made, docker = engine
    made.slow = threading.Event()
    asyncio.get_running_loop().call_later(0.5, made.slow.set)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await docker.isolate("cart", "k")
    assert not made.connected, "it was done, if late"
    await docker.restore("cart", "k")
    assert made.connected


async def test_docker_says_whether_a_container_was_started_since(engine: tuple[Engine, Docker]) -> None:
    started = int(datetime(2026, 11, 23, 10, tzinfo=UTC).timestamp())
    assert await engine[1].restarted("cart", "k", started * 10**9)
    assert not await engine[1].restarted("cart", "k", (started + 1) * 10**9)


@pytest.mark.parametrize(
    "state",
    [
        {"Running": True, "StartedAt": "yesterday"},
        {"Running": True, "StartedAt": ""},
        {"Running": True, "StartedAt": None},
        {"Running": True, "StartedAt": 1_700_000_000},
        {"Running": True, "StartedAt": "2026-11-23T10:00:00"},
        {"Running": True},
        {},
        None,
        "running",
    ],
)
async def test_a_start_of_a_container_that_docker_does_not_say_legibly_is_unknown_with_the_reason(
    engine: tuple[Engine, Docker], state: Any
) -> None:
    engine[0].state = state
    with pytest.raises(ActionError, match=r"ask since when container 'cart' runs at .*: the engine's answer cannot be read$"):
        await engine[1].restarted("cart", "k", 0)


async def test_docker_names_the_container_that_is_not_there(engine: tuple[Engine, Docker]) -> None:
    with pytest.raises(ActionError, match=r"restart container 'shop' at .*: 404$") as raised:
        await engine[1].restart("shop", "k")
    assert "no such thing" in raised.value.output, "what the engine says is for operators"


class Cluster:
    """A deployment that needs two looks to roll out, and a pod."""

    def __init__(self) -> None:
        self.deployment: dict[str, Any] = {
            "metadata": {"name": "cart", "generation": 1},
            "spec": {"replicas": 2, "selector": {}, "template": {"metadata": {"annotations": {}}}},
            "status": {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2},
        }
        self.pod: dict[str, Any] = {"metadata": {"name": "cart-1", "labels": {"app": "cart"}, "annotations": {}}}
        self.looks = 0

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        match method, path.split("?", maxsplit=1)[0]:
            case "PATCH", "/apis/apps/v1/namespaces/shop/deployments/cart":
                _merge(self.deployment, body)
                self.deployment["metadata"]["generation"] += 1
                self.deployment["status"]["updatedReplicas"] = 0
                return 200, self.deployment
            case "GET", "/apis/apps/v1/namespaces/shop/deployments/cart":
                self.looks += 1
                if self.looks > 1:
                    self.deployment["status"] |= {
                        "observedGeneration": self.deployment["metadata"]["generation"],
                        "updatedReplicas": self.deployment["spec"]["replicas"],
                    }
                return 200, self.deployment
            case "PATCH", "/api/v1/namespaces/shop/pods/cart-1":
                _merge(self.pod, body)
                return 200, self.pod
            case "GET", "/api/v1/namespaces/shop/pods/cart-1":
                return 200, self.pod
            case _:
                return 404, {"kind": "Status", "message": f"not found: {path}", "code": 404}


def _merge(into: dict[str, Any], patch: dict[str, Any]) -> None:
    """JSON merge patch (RFC 7386)."""
    for key, value in patch.items():
        if value is None:
            into.pop(key, None)
        elif isinstance(value, dict):
            _merge(into.setdefault(key, {}), value)
        else:
            into[key] = value


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Cluster, Api, Kubernetes]]:
    pytest.importorskip(
        "kubernetes_asyncio", reason="the package `kubernetes-asyncio` is not installed: its actions are not tested"
    )
    monkeypatch.setattr("alerting.playbooks.actions.kubernetes.POLL_SECONDS", 0.01)
    made = Cluster()
    with serve(made.answer) as api:
        kubeconfig = tmp_path / "kubeconfig"
        context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
        kubeconfig.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "c",
                    "contexts": [context],
                    "clusters": [{"name": "c", "cluster": {"server": api.url}}],
                    "users": [{"name": "u", "user": {}}],
                }
            )
        )
        yield made, api, Kubernetes(KubernetesConfig(namespace="shop", kubeconfig=str(kubeconfig)))


async def test_kubernetes_rolls_a_deployment_over_and_waits_for_the_new_pods(
    cluster: tuple[Cluster, Api, Kubernetes],
) -> None:
    made, api, kubernetes = cluster
    result = await kubernetes.restart("deployment/cart", "i1/restart/do")
    annotations = made.deployment["spec"]["template"]["metadata"]["annotations"]
    assert annotations == {"kubectl.kubernetes.io/restartedAt": "i1/restart/do"}
    assert result["generation"] == "2"
    assert [method for method, _ in api.asked] == ["PATCH", "GET", "GET"]
    assert "patch+json" in api.headers[0]["Content-Type"]
    assert "json-patch" not in api.headers[0]["Content-Type"]


async def test_kubernetes_says_whether_a_restart_is_the_deployments_last_and_waits_for_it(
    cluster: tuple[Cluster, Api, Kubernetes],
) -> None:
    made, _, kubernetes = cluster
    assert not await kubernetes.restarted("deployment/cart", "i1/restart/do", 0)
    made.deployment["spec"]["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"] = "i1/restart/do"
    made.deployment["status"]["updatedReplicas"], made.looks = 0, 0
    assert await kubernetes.restarted("deployment/cart", "i1/restart/do", 0)
    assert made.looks == 2
    assert not await kubernetes.restarted("deployment/cart", "i2/restart/do", 0)


@pytest.mark.parametrize("deployment", [{}, {"spec": None}, {"spec": {"selector": {}}}, {"status": "none"}, [], None, "none"])
async def test_an_answer_of_the_cluster_that_cannot_be_read_fails_the_step_and_not_the_process(
    cluster: tuple[Cluster, Api, Kubernetes], deployment: Any
) -> None:
    made, _, kubernetes = cluster
    made.deployment = deployment
    with pytest.raises(ActionError, match="kubernetes, namespace shop: the cluster's answer cannot be read"):
        await kubernetes.restarted("deployment/cart", "i1/restart/do", 0)


async def test_kubernetes_isolates_a_pod_from_its_service_and_gives_it_back(
    cluster: tuple[Cluster, Api, Kubernetes],
) -> None:
    made, _, kubernetes = cluster
    for _ in range(2):
        await kubernetes.isolate("pod/cart-1", "k")
        assert made.pod["metadata"]["labels"] == {"app": ISOLATED}
    for _ in range(2):
        await kubernetes.restore("pod/cart-1", "k")
        assert made.pod["metadata"] == {"name": "cart-1", "labels": {"app": "cart"}, "annotations": {}}


async def test_kubernetes_scales_and_says_how_many_there_were(cluster: tuple[Cluster, Api, Kubernetes]) -> None:
    made, _, kubernetes = cluster
    for _ in range(2):  # a crash may repeat it, and its inverse must still learn how many there were
        assert await kubernetes.scale("deployment/cart", 5, "i1/more/do") == {"replicas": "2"}
        assert made.deployment["spec"]["replicas"] == 5
    assert await kubernetes.scale("deployment/cart", 2, "i1/more/undo") == {"replicas": "5"}
    assert await kubernetes.scale("deployment/cart", 7, "i2/more/do") == {"replicas": "2"}


async def test_kubernetes_says_what_is_missing_or_wrong(cluster: tuple[Cluster, Api, Kubernetes]) -> None:
    with pytest.raises(ActionError, match=r"namespace shop: 404$") as raised:
        await cluster[2].scale("deployment/none", 5, "k")
    assert "404" in raised.value.output, "what the cluster says is for operators"
    with pytest.raises(ActionError, match="needs a name such as pod/cart"):
        await cluster[2].isolate("deployment/cart", "k")
    with pytest.raises(ActionError, match="kubernetes, namespace"):
        await Kubernetes(KubernetesConfig(kubeconfig=str(Path("/does/not/exist")))).scale("deployment/cart", 1, "k")
