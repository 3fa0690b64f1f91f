"""Workloads of a Kubernetes cluster, through kubernetes-asyncio. A name is `deployment/NAME` or `pod/NAME`.

A restart is a rollout restart: the annotation that `kubectl rollout restart` writes. A pod is isolated by changing the
label that services select it by, so it stays alive for inspection while its controller starts another.
"""

from __future__ import annotations

import asyncio
import importlib
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from alerting.playbooks.actions.action import UNREADABLE, ActionError, RunnerComponent
from components.component import ComponentKind, Stability
from telemetry.sentences.wording import Wording

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from kubernetes_asyncio.client import AppsV1Api, CoreV1Api, V1Deployment

ISOLATED = "isolated-by-spanloom"
RESTARTED = "kubectl.kubernetes.io/restartedAt"
SCALED_BY, REPLICAS_BEFORE = "spanloom.io/scaled-by", "spanloom.io/replicas-before"
POLL_SECONDS = 1.0
MAX_NAME = 253
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")


class KubernetesConfig(BaseModel):
    """Which cluster."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    namespace: str = Field(default="default", description="Where the workloads are.")
    kubeconfig: str = Field(default="", description="Path of a kubeconfig; empty: the pod's own service account.")
    traffic_label: str = Field(default="app", description="The label by which services select pods.")


class Kubernetes:
    """Restarts and scales deployments, and takes pods out of their services."""

    def __init__(self, config: KubernetesConfig) -> None:
        self._config = config

    async def restart(self, name: str, key: str) -> Mapping[str, str]:
        """Roll the deployment over; return when the new pods are available. The key makes a repetition change nothing."""
        deployment = _named(name, "deployment")
        template = {"metadata": {"annotations": {RESTARTED: key}}}
        async with self._apps() as apps:
            changed = await apps.patch_namespaced_deployment(
                deployment, self._config.namespace, {"spec": {"template": template}}
            )
            changed = await self._rolled_out(apps, changed)
            return {"generation": str(changed.metadata.generation), "replicas": str(changed.spec.replicas)}

    async def restarted(self, name: str, key: str, since: int) -> bool:
        """Whether the deployment has the key of this restart; return when its new pods are available."""
        del since
        async with self._apps() as apps:
            found = await apps.read_namespaced_deployment(_named(name, "deployment"), self._config.namespace)
            if (found.spec.template.metadata.annotations or {}).get(RESTARTED) != key:
                return False
            await self._rolled_out(apps, found)
            return True

    async def _rolled_out(self, apps: AppsV1Api, deployment: V1Deployment) -> V1Deployment:
        while not _is_rolled_out(deployment):
            await asyncio.sleep(POLL_SECONDS)
            deployment = await apps.read_namespaced_deployment(deployment.metadata.name, self._config.namespace)
        return deployment

    async def isolate(self, name: str, key: str) -> Mapping[str, str]:
        """Change the pod's traffic label, and keep the old value in an annotation."""
        del key
        label, pod = self._config.traffic_label, _named(name, "pod")
        async with self._core() as core:
            found = await core.read_namespaced_pod(pod, self._config.namespace)
            value = (found.metadata.labels or {}).get(label, "")
            if value == ISOLATED:
                return {"label": label}
            metadata = {"labels": {label: ISOLATED}, "annotations": {f"spanloom.io/{label}": value}}
            await core.patch_namespaced_pod(pod, self._config.namespace, {"metadata": metadata})
            return {"label": label, "was": value}

    async def restore(self, name: str, key: str) -> Mapping[str, str]:
        """Give the pod its traffic label back."""
        del key
        label, pod = self._config.traffic_label, _named(name, "pod")
        async with self._core() as core:
            found = await core.read_namespaced_pod(pod, self._config.namespace)
            was = (found.metadata.annotations or {}).get(f"spanloom.io/{label}")
            if was is not None:
                metadata = {"labels": {label: was}, "annotations": {f"spanloom.io/{label}": None}}
                await core.patch_namespaced_pod(pod, self._config.namespace, {"metadata": metadata})
            return {"label": label}

    async def scale(self, name: str, replicas: int, key: str) -> Mapping[str, str]:
        """Set the deployment's replicas. How many there were is noted in it, so that a repetition still knows."""
        deployment = _named(name, "deployment")
        async with self._apps() as apps:
            found = await apps.read_namespaced_deployment(deployment, self._config.namespace)
            noted = found.metadata.annotations or {}
            before = noted[REPLICAS_BEFORE] if noted.get(SCALED_BY) == key else str(found.spec.replicas)
            metadata = {"annotations": {SCALED_BY: key, REPLICAS_BEFORE: before}}
            patch = {"metadata": metadata, "spec": {"replicas": replicas}}
            await apps.patch_namespaced_deployment(deployment, self._config.namespace, patch)
            return {"replicas": before}

    @asynccontextmanager
    async def _apps(self) -> AsyncIterator[AppsV1Api]:
        async with self._client() as (package, client):
            yield package.client.AppsV1Api(client)

    @asynccontextmanager
    async def _core(self) -> AsyncIterator[CoreV1Api]:
        async with self._client() as (package, client):
            yield package.client.CoreV1Api(client)

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[tuple[Any, Any]]:
        try:
            package = importlib.import_module("kubernetes_asyncio")
            config = importlib.import_module("kubernetes_asyncio.config")
        except ImportError as error:
            raise ActionError("the package `kubernetes-asyncio` is not installed") from error
        errors = (package.client.ApiException, config.ConfigException, importlib.import_module("aiohttp").ClientError, OSError)
        settings = package.client.Configuration()
        try:
            if self._config.kubeconfig:
                await config.load_kube_config(self._config.kubeconfig, client_configuration=settings)
            else:
                config.load_incluster_config(client_configuration=settings)
            async with package.client.ApiClient(settings) as client:
                yield package, client
        except errors as error:
            status = getattr(error, "status", None) or type(error).__name__
            text = Wording.KUBERNETES_FAILED(namespace=self._config.namespace, error=str(status))
            raise ActionError(text, output=str(error)) from error
        except UNREADABLE as error:
            text = Wording.KUBERNETES_UNREADABLE(namespace=self._config.namespace)
            raise ActionError(text, output=f"{type(error).__name__}: {error}") from error


def _named(name: str, kind: str) -> str:
    found, _, rest = name.partition("/")
    if found != kind or not rest:
        raise ActionError(f"kubernetes: {name!r}: this needs a name such as {kind}/cart")
    if not _NAME.fullmatch(rest) or len(rest) > MAX_NAME:
        raise ActionError(f"kubernetes: {rest!r} is no name: lower-case letters, digits, dashes and dots, {MAX_NAME} at most")
    return rest


def _is_rolled_out(deployment: V1Deployment) -> bool:
    """As `kubectl rollout status` judges."""
    status, wanted = deployment.status, deployment.spec.replicas
    return bool(
        (status.observed_generation or 0) >= deployment.metadata.generation
        and (status.updated_replicas or 0) >= wanted
        and (status.replicas or 0) <= (status.updated_replicas or 0)
        and (status.available_replicas or 0) >= wanted
    )


KUBERNETES = RunnerComponent(
    kind=ComponentKind.RUNNER,
    name="kubernetes",
    config=KubernetesConfig,
    build=lambda config, _: Kubernetes(config),
    summary="Deployments and pods of a Kubernetes cluster.",
    stability=Stability.BETA,
    extras=("actions",),
    required=True,
)
