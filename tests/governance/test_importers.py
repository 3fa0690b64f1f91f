"""Files of Envoy and Istio as policies, by what requests then do."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
import yaml
from click.testing import CliRunner

from governance.importers import import_policies
from spanloom.cli import main
from telemetry.errors import ConfigError
from tests.governance.mesh import Connection, Mesh
from tests.services import free_port

if TYPE_CHECKING:
    from pathlib import Path

ENVOY = """\
route_config:
  routes:
    - match: {headers: [{name: X-App, exact_match: beta}]}
      route: {cluster: shop-beta}
    - route: {cluster: shop-stable}
"""
WEIGHTS = """\
apiVersion: networking.istio.io/v1beta1
kind: VirtualService
metadata: {name: book-route}
spec:
  hosts: [book.prod.svc.cluster.local]
  http:
    - route:
        - destination: {host: book.prod.svc.cluster.local, subset: v2}
          weight: 30
        - destination: {host: book.prod.svc.cluster.local, subset: v1}
          weight: 70
"""
SUBSETS = """\
kind: DestinationRule
spec: {host: book.prod.svc.cluster.local, subsets: [{name: v2, labels: {track: canary}}, {name: v1, labels: {track: main}}]}
"""
STRICT = """\
kind: PeerAuthentication
spec: {mtls: {mode: STRICT}}
"""


def with_endpoints(text: str, endpoints: dict[str, list[tuple[int, dict[str, str]]]]) -> str:
    """The document with instances of its services, as a person adds them."""
    document = yaml.safe_load(text)
    for entry in document["services"]:
        found = endpoints.get(entry["name"], [])
        entry["endpoints"] = [{"address": "127.0.0.1", "port": port, "labels": labels} for port, labels in found]
    return yaml.safe_dump(document)


async def test_imported_routes_weights_and_mtls_act_on_requests(tmp_path: Path) -> None:
    async with Mesh(tmp_path, check=True) as mesh:
        one, two = await mesh.upstream("v1"), await mesh.upstream("v2")
        outbound, inbound = free_port(), free_port()
        plain: dict[str, list[tuple[int, dict[str, str]]]] = {"shop-beta": [(two.port, {})], "shop-stable": [(one.port, {})]}
        await mesh.publish(with_endpoints(import_policies(ENVOY, "envoy.yml"), plain))
        await mesh.envoy("front", outbound=outbound, inbound=inbound, address="127.0.0.1", application=one.port)
        async with Connection(outbound) as kept:
            assert await kept.get("anything", x_app="beta") == (200, "v2")
            assert await kept.get("anything", x_app="other") == (200, "v1")
            assert await kept.get("anything") == (200, "v1")
            host = "book.prod.svc.cluster.local"
            for text, labels in (
                (WEIGHTS, ("version", "v1", "v2")),
                (WEIGHTS + "---\n" + SUBSETS, ("track", "main", "canary")),
            ):
                key, main_label, canary = labels
                books = {"prod/book": [(one.port, {key: main_label}), (two.port, {key: canary})]}
                await mesh.publish(with_endpoints(import_policies(text, "istio.yml"), books))
                shares = Counter([(await kept.get(host))[1] for _ in range(600)])
                assert shares.total() == 600
                assert 110 < shares["v2"] < 260
        async with Connection(inbound) as kept:
            assert await kept.get("front") == (200, "v1")
            await mesh.publish(import_policies(STRICT, "mtls.yml"))
            assert (await kept.get("front"))[0] == 403


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kind: Gateway\nspec: {}", "x.yml:1:7: neither a route_config of Envoy nor one of VirtualService"),
        ("- a", "x.yml:1:1: neither"),
        (WEIGHTS.replace("    - route:", "    - fault: {}\n      route:"), "x.yml:7:7: fault: cannot be imported"),
        (STRICT.replace("STRICT", "DISABLE"), "x.yml:2:21: mtls.mode: 'DISABLE' is neither STRICT nor PERMISSIVE"),
        ("routes: [{match: {grpc: {}}, route: {cluster: a}}]", "x.yml:1:19: grpc: cannot be imported"),
        ("routes: [{redirect: {}}]", "x.yml:1:11: redirect: cannot be imported"),
        ("routes: 7", "x.yml:1:9: must be a list"),
        ("routes: [{route: 5}]", "x.yml:1:18: must be a mapping"),
    ],
)
def test_what_cannot_be_carried_over_is_named_with_its_place(text: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        import_policies(text, "x.yml")
    assert str(caught.value).startswith(expected), str(caught.value)


def test_the_command_prints_a_document_that_checks(tmp_path: Path) -> None:
    (tmp_path / "istio.yml").write_text(WEIGHTS)
    printed = CliRunner().invoke(main, ["policy", "import", str(tmp_path / "istio.yml")])
    assert printed.exit_code == 0, printed.output
    (tmp_path / "policies.yml").write_text(printed.output)
    checked = CliRunner().invoke(main, ["policy", "check", str(tmp_path / "policies.yml")])
    assert "1 services, 1 routes" in checked.output
    (tmp_path / "istio.yml").write_text("kind: Nothing")
    assert CliRunner().invoke(main, ["policy", "import", str(tmp_path / "istio.yml")]).exit_code == 2
