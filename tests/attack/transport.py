"""TLS, client certificates, and tokens of senders."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import grpc

from components.access.tokens import new_token, token_hash
from tests.attack.grpc_client import SERVICES
from tests.attack.line import Line, must
from tests.attack.telemetry import spans
from tests.certificates import make_certificates

if TYPE_CHECKING:
    from pathlib import Path

    from tests.attack.bench import Bench
    from tests.attack.target import Product


def _secure(folder: Path, certificate: str = "", authority: str = "ca.pem") -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(folder / authority))
    if certificate:
        context.load_cert_chain(folder / certificate)
    return context


def _over_tls(port: int, path: str, body: bytes | None, context: ssl.SSLContext) -> str:
    request = urllib.request.Request(f"https://127.0.0.1:{port}{path}", body, {"content-type": "application/x-protobuf"})
    try:
        with urllib.request.urlopen(request, timeout=20, context=context) as response:
            return str(response.status)
    except urllib.error.HTTPError as error:
        return str(error.code)
    except OSError:
        return "no connection"


def _grpc_over_tls(port: int, folder: Path, certificate: str = "") -> str:
    own = (folder / certificate).read_bytes() if certificate else None
    credentials = grpc.ssl_channel_credentials((folder / "ca.pem").read_bytes(), own, own)
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
    with grpc.secure_channel(f"127.0.0.1:{port}", credentials, options) as channel:
        try:
            channel.unary_unary(SERVICES["traces"])(spans("tls"), timeout=10)
        except grpc.RpcError as error:
            name: str = error.code().name
            return name
    return "OK"


def who_shows_no_certificate_of_ours_sends_nothing(bench: Bench) -> str:
    """mTLS on both OTLP ports and the console: plain text, no certificate, and one of the right CA."""
    folder = bench.folder()
    make_certificates(folder)
    names = {}
    for port in ("OTLP_HTTP", "OTLP_GRPC", "CONSOLE"):
        for name, file in (("CERTIFICATE", "broker.pem"), ("KEY", "broker.pem"), ("CLIENT_CA", "ca.pem")):
            names[f"{port}__TLS__{name}"] = str(folder / file)
    own = bench.product("up", "--once", settings=names)
    address = {port: own.environment.pop(f"SPANLOOM_{port}") for port in ("OTLP_HTTP", "OTLP_GRPC", "CONSOLE")}
    for port, text in address.items():
        own.environment[f"SPANLOOM_{port}__HOST"], own.environment[f"SPANLOOM_{port}__PORT"] = text.split(":")
    own.start()
    trusted, unknown = _secure(folder, "client.pem"), _secure(folder)
    own.wait_for(lambda: _over_tls(own.console, "/healthz", None, trusted) == "200", 120, "not ready over TLS")
    found = {
        "plain HTTP": str(own.export(spans("plain")).status),
        "plain console": str(own.get("/healthz").status),
        "HTTP without a certificate": _over_tls(own.http, "/v1/traces", spans("x"), unknown),
        "console without a certificate": _over_tls(own.console, "/healthz", None, unknown),
        "gRPC without a certificate": _grpc_over_tls(own.grpc, folder),
    }
    right = {
        "HTTP": _over_tls(own.http, "/v1/traces", spans("x"), trusted),
        "gRPC": _grpc_over_tls(own.grpc, folder, "client.pem"),
    }
    own.stop()
    must(right == {"HTTP": "200", "gRPC": "OK"}, f"with a certificate: {right}")
    must(not {"200", "OK"} & set(found.values()), f"without: {found}")
    return f"{sorted(set(found.values()))} without, {list(right.values())} with"


def _with_tokens(bench: Bench, **settings: str) -> tuple[Product, dict[str, str]]:
    tokens = {role: new_token() for role in ("ingest", "viewer", "operator", "admin")}
    entries = [{"name": role, "role": role, "hash": token_hash(token)} for role, token in tokens.items()]
    own = bench.product("up", "--once", settings={"ACCESS__TOKENS": json.dumps(entries), **settings})
    own.start()
    own.wait_ready()
    return own, tokens


def who_shows_no_token_sends_nothing_where_one_is_required(bench: Bench) -> str:
    """Exports over HTTP and gRPC without, with a wrong one, with a viewer's, an operator's and an ingest token."""
    own, tokens = _with_tokens(bench, INGEST__REQUIRE_TOKEN="true")
    found: dict[str, tuple[int, str]] = {}
    for name, token in {"nobody": "", "wrong": new_token(), **tokens}.items():
        headers = {"authorization": f"Bearer {token}"} if token else {}
        http = own.post("/v1/traces", spans("x"), "application/x-protobuf", own.http, headers).status
        with grpc.insecure_channel(f"127.0.0.1:{own.grpc}", [("grpc.use_local_subchannel_pool", 1)]) as channel:
            try:
                channel.unary_unary(SERVICES["traces"])(spans("x"), timeout=20, metadata=tuple(headers.items()))
                over_grpc = "OK"
            except grpc.RpcError as error:
                over_grpc = error.code().name
        found[name] = http, over_grpc
    reads = {
        name: own.get("/api/v1/status", headers={"authorization": f"Bearer {token}"}).status for name, token in tokens.items()
    }
    nobody = own.get("/api/v1/status").status
    own.stop()
    must({name for name, got in found.items() if 200 in got or "OK" in got} == {"ingest", "admin"}, f"{found}")
    must(reads["ingest"] == 403 and nobody == 401, f"reading: {reads}, nobody {nobody}")
    return f"{found}; reading {reads}"


def one_sender_is_held_to_its_limits_and_others_are_not(bench: Bench) -> str:
    """A token of one request a second sends fifty at once; another goes on meanwhile."""
    limits = json.dumps({"ingest": {"requests_per_second": 1, "max_items": 10}})
    own, tokens = _with_tokens(bench, INGEST__LIMITS_BY_TOKEN=limits)

    def send(role: str, count: int = 1) -> tuple[int, bool]:
        headers = {"authorization": f"Bearer {tokens[role]}"}
        answer = own.post("/v1/traces", spans("x", count), "application/x-protobuf", own.http, headers)
        return answer.status, "retry-after" in answer.headers

    many = [send("ingest") for _ in range(50)]
    others = [send("admin")[0] for _ in range(20)]
    large = send("admin", 11)[0]
    own.stop()
    refused = [answer for answer in many if answer[0] != 200]
    must(len(refused) > 30 and all(status in {429, 503} and after for status, after in refused), f"{many}")
    must(set(others) == {200} and large == 200, f"the other sender: {others}, {large}")
    return f"{len(refused)} of 50 refused with {refused[0][0]} and Retry-After; the other sender {sorted(set(others))}"


LINES = (
    Line("transport", who_shows_no_certificate_of_ours_sends_nothing),
    Line("transport", who_shows_no_token_sends_nothing_where_one_is_required),
    Line("transport", one_sender_is_held_to_its_limits_and_others_are_not),
)
