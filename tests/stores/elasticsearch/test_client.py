"""https, credentials and refusals, against a TLS end point before a real Elasticsearch, which has no security of its own."""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import trustme
import uvicorn
from click.testing import CliRunner
from elastic_transport import ApiResponseMeta, HttpHeaders, NodeConfig
from elasticsearch import AuthorizationException
from pydantic import SecretStr, ValidationError
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from spanloom.clock import system
from spanloom.commands.setup import setup
from spanloom.config import load_config
from spanloom.roles.needs import require_access
from spanloom.roles.run import run_console
from stores.elasticsearch.client import connect, refusal
from stores.elasticsearch.config import ElasticsearchConfig
from stores.elasticsearch.store import open_elasticsearch
from stores.elasticsearch.templates import install
from stores.store import AccessRefusedError, Query, Written
from telemetry.documents import Document, Kind
from telemetry.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from starlette.requests import Request

KEY = "c2VjcmV0OmtleQ=="
USER, PASSWORD = "ann", "open:/sesame@%"
LET_IN = {f"ApiKey {KEY}", "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}


@dataclass(frozen=True)
class Guarded:
    """An https Elasticsearch that wants credentials."""

    url: str
    ca_file: Path

    def with_key(self, **more: Any) -> ElasticsearchConfig:
        return ElasticsearchConfig.model_validate({"ca_file": self.ca_file, "api_key": KEY} | more)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@asynccontextmanager
async def guarding(elasticsearch: str, authority: trustme.CA, tmp_path: Path, **tls: Any) -> AsyncIterator[Guarded]:
    """Ends TLS, asks for credentials as Elasticsearch does, and hands on what is let in."""
    ca_file, cert_file = tmp_path / "ca.pem", tmp_path / "cert.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    issued = authority.issue_cert("localhost")
    issued.private_key_and_cert_chain_pem.write_to_path(str(cert_file))
    async with httpx2.AsyncClient(base_url=elasticsearch, timeout=60) as behind:

        async def answer(request: Request) -> Response:
            product = {"x-elastic-product": "Elasticsearch"}
            if request.headers.get("authorization") not in LET_IN:
                body = '{"error":{"root_cause":[{"reason":"unable to authenticate"}],"type":"security_exception"},"status":401}'
                return Response(body, 401, product | {"content-type": "application/json"})
            headers = {name: request.headers[name] for name in ("accept", "content-type") if name in request.headers}
            target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            found = await behind.request(request.method, target, content=await request.body(), headers=headers)
            kind = {"content-type": found.headers["content-type"]} if "content-type" in found.headers else {}
            return Response(found.content, found.status_code, product | kind)

        app = Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "HEAD", "POST", "PUT", "DELETE"])])
        tls["ssl_certfile"] = cert_file
        reported = uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1, **tls)
        server = uvicorn.Server(reported)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            serving = asyncio.create_task(server._serve([listener]))
            yield Guarded(f"https://localhost:{listener.getsockname()[1]}", ca_file)
            server.should_exit = True
            await serving


@pytest.fixture
async def guarded(elasticsearch: str, authority: trustme.CA, tmp_path: Path) -> AsyncIterator[Guarded]:
    async with guarding(elasticsearch, authority, tmp_path) as found:
        yield found


async def test_the_store_may_ask_for_a_certificate_of_ours(elasticsearch: str, authority: trustme.CA, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours.pem", tmp_path / "theirs.pem"
    authority.issue_cert("worker-1").private_key_and_cert_chain_pem.write_to_path(str(ours))
    trustme.CA().issue_cert("worker-1").private_key_and_cert_chain_pem.write_to_path(str(theirs))
    asks = {"ssl_ca_certs": tmp_path / "ca.pem", "ssl_cert_reqs": ssl.CERT_REQUIRED}
    async with guarding(elasticsearch, authority, tmp_path, **asks) as guarded:
        store = open_elasticsearch(guarded.url, guarded.with_key(cert_file=ours))
        assert await store.count(Query(Kind.AUDIT)) >= 0
        await store.close()
        for config in (guarded.with_key(cert_file=theirs), guarded.with_key()):
            other = open_elasticsearch(guarded.url, config)
            with pytest.raises(StoreError):  # with TLS 1.3 the client learns of it by a connection that breaks
                await other.count(Query(Kind.AUDIT))
            await other.close()


@pytest.mark.parametrize(
    "credentials", [{"api_key": SecretStr(KEY)}, {"username": USER, "password": SecretStr(PASSWORD)}], ids=["key", "user"]
)
async def test_documents_go_through_tls_with_credentials(guarded: Guarded, credentials: dict[str, Any]) -> None:
    config = ElasticsearchConfig(ca_file=guarded.ca_file, **credentials)
    client = connect(guarded.url, config)
    await install(client)
    await client.close()
    store = open_elasticsearch(guarded.url, config, uuid.uuid4().hex)
    assert await store.write([Document(Kind.EDGE, "a", 1, {"calls": 1})]) == Written(1, 0)
    await store.refresh([Kind.EDGE])
    assert await store.count(Query(Kind.EDGE)) == 1
    await store.close()


async def test_user_and_password_may_stand_in_the_url(guarded: Guarded) -> None:
    url = guarded.url.replace("://", "://ann:open%3A%2Fsesame%40%25@")
    store = open_elasticsearch(url, ElasticsearchConfig(ca_file=guarded.ca_file))
    assert await store.count(Query(Kind.AUDIT)) >= 0
    await store.close()


async def refused(url: str, config: ElasticsearchConfig) -> str:
    """What reading, writing and setting up say, which is one line and no secret."""
    store, client = open_elasticsearch(url, config), connect(url, config)
    said = set()
    for asked in (store.count(Query(Kind.EDGE)), store.write([Document(Kind.EDGE, "a", 1, {})]), install(client)):
        with pytest.raises(AccessRefusedError) as caught:
            await asked
        said.add(str(caught.value))
    await store.close()
    await client.close()
    (line,) = said
    assert "\n" not in line
    assert "wrong-secret" not in line
    return line


async def test_a_certificate_of_an_unknown_ca_is_refused(guarded: Guarded) -> None:
    line = await refused(guarded.url, guarded.with_key(ca_file=None))
    assert "elasticsearch.ca_file" in line
    assert "certificate" in line


async def test_a_certificate_for_another_name_is_refused(guarded: Guarded) -> None:
    line = await refused(guarded.url.replace("localhost", "127.0.0.1"), guarded.with_key())
    assert "the server as its certificate does" in line


@pytest.mark.parametrize("wrong", [{"api_key": SecretStr("wrong-secret")}, {"api_key": SecretStr("")}])
async def test_wrong_credentials_are_refused(guarded: Guarded, wrong: dict[str, Any]) -> None:
    assert "elasticsearch.api_key, or username and password" in await refused(guarded.url, guarded.with_key(**wrong))


async def test_setup_says_it_in_one_line(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPANLOOM_STORE", guarded.url)
    monkeypatch.setenv("SPANLOOM_ELASTICSEARCH__CA_FILE", str(guarded.ca_file))
    monkeypatch.setenv("SPANLOOM_ELASTICSEARCH__API_KEY", "wrong-secret")
    done = await asyncio.to_thread(CliRunner().invoke, setup, ["elasticsearch"])
    assert isinstance(done.exception, AccessRefusedError)
    monkeypatch.setenv("SPANLOOM_ELASTICSEARCH__API_KEY", KEY)
    done = await asyncio.to_thread(CliRunner().invoke, setup, ["elasticsearch"])
    assert done.exit_code == 0, done.output


async def test_a_role_that_is_not_let_in_ends_at_its_start(guarded: Guarded, tmp_path: Path) -> None:
    settings = load_config(store=guarded.url, data_dir=tmp_path, elasticsearch=guarded.with_key(api_key="wrong-secret"))
    with pytest.raises(AccessRefusedError):
        await run_console(settings, system)
    with pytest.raises(AccessRefusedError):  # before there is anybody to start it again
        await require_access(settings)
    await require_access(settings, store=False)  # a collector has no store


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    for url, config, name in (
        ("https://localhost:9200", ElasticsearchConfig(ca_file=tmp_path / "none.pem"), "none.pem"),
        ("https://localhost:9200", ElasticsearchConfig(ca_file=tmp_path / "empty.pem"), "empty.pem"),
        ("http://localhost:9200", ElasticsearchConfig(ca_file=tmp_path / "empty.pem"), "https://"),
        ("http://localhost:9200", ElasticsearchConfig(cert_file=tmp_path / "empty.pem"), "cert_file.*https://"),
        ("https://localhost:9200", ElasticsearchConfig(cert_file=tmp_path / "empty.pem"), "cert_file: .*empty.pem"),
        ("https://ann:wrong-secret@localhost:x", ElasticsearchConfig(), "HOST:9200"),
    ):
        with pytest.raises(ConfigError, match=name) as caught:
            connect(url, config)
        assert "wrong-secret" not in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [{"username": "a"}, {"password": "b"}, {"username": "a", "password": "b", "api_key": "c"}, {"ca": "x"}, {"key_file": "x"}],
)
def test_settings_that_do_not_go_together_are_refused(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        ElasticsearchConfig.model_validate(given)


@pytest.mark.parametrize(
    ("reason", "kind"), [("security_exception", AccessRefusedError), ("cluster_block_exception", StoreError)]
)
def test_a_block_of_an_index_is_no_refusal_of_ours(reason: str, kind: type[StoreError]) -> None:
    meta = ApiResponseMeta(403, "1.1", HttpHeaders(), 0.1, NodeConfig("http", "127.0.0.1", 9200))
    error = AuthorizationException(reason, meta, {"error": {"type": reason}, "status": 403})
    assert type(refusal(error)) is kind
