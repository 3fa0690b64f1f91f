"""The built console as the server hands it out."""

from __future__ import annotations

import gzip
import re
from typing import TYPE_CHECKING

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from components.access.policy import Need
from dashboards.console.single_page import BUILT, PAGES, SinglePage
from spanloom.access.route_policy import POLICY

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text(
        '<base href="/" /><meta name="server-time" content="0" /><script src="./assets/index-1.js"></script>'
    )
    (tmp_path / "assets" / "index-1.js").write_text("let a = 1;\n" * 100)
    (tmp_path / "secret.txt").write_text("outside")
    return TestClient(Starlette(routes=SinglePage(lambda: 1_700_000_000_123_456_789, tmp_path).routes()))


@pytest.mark.parametrize(
    "path", ["/", "/services", "/traces/abc", "/services/shop/payment?from=now-1h", "/alerts/", "/repairs"]
)
def test_every_address_of_a_page_is_the_page(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.headers["content-type"].startswith("text/html")
    assert '<base href="/" />' in answer.text


def test_other_addresses_are_left_to_whoever_has_them(client: TestClient) -> None:
    for path in ("/api/v1/status", "/metrics", "/login", "/nothing", "/index.html"):
        assert client.get(path).status_code == 404, path


def test_every_address_of_the_pages_is_declared_to_whoever_lets_requests_in() -> None:
    for page in ("", *PAGES, *(f"{page}/a/b" for page in PAGES)):
        found = POLICY.find("GET", f"/{page}")
        assert found.route is not None, page
        assert (found.need, found.route.page) == (Need.READ, True)


@pytest.mark.parametrize("prefix", ["/spanloom", "/a/b-c", "/spanloom/"])
def test_a_proxys_prefix_is_the_base_of_all_addresses(client: TestClient, prefix: str) -> None:
    page = client.get("/map", headers={"x-forwarded-prefix": prefix}).text
    assert f'<base href="{prefix.rstrip("/")}/" />' in page
    below = TestClient(client.app, root_path="/mounted")
    assert '<base href="/mounted/" />' in below.get("/mounted/map").text


@pytest.mark.parametrize("prefix", ['"><script>', "//evil.example", "https://evil.example", "/a b", "relative", "/a//b"])
def test_a_prefix_that_is_no_path_is_ignored(client: TestClient, prefix: str) -> None:
    assert '<base href="/" />' in client.get("/", headers={"x-forwarded-prefix": prefix}).text


def test_the_page_learns_the_servers_time_in_milliseconds(client: TestClient) -> None:
    assert '<meta name="server-time" content="1700000000123" />' in client.get("/").text


def test_files_are_compressed_where_asked_and_kept_for_good(client: TestClient) -> None:
    answer = client.get("/assets/index-1.js", headers={"accept-encoding": "gzip"})
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.text == "let a = 1;\n" * 100
    plain = client.get("/assets/index-1.js", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert len(gzip.compress(plain.content)) < len(plain.content)


@pytest.mark.parametrize("name", ["index-2.js", "..%2Fsecret.txt", "%2e%2e/secret.txt", "%2e%2e%2findex.html"])
def test_no_other_file_is_handed_out(client: TestClient, name: str) -> None:
    answer = client.get(f"/assets/{name}")
    assert "outside" not in answer.text
    assert answer.status_code == 404 or answer.headers["content-type"].startswith("text/html")


def test_the_committed_page_names_only_files_that_are_there_and_no_other_host() -> None:
    page = (BUILT / "index.html").read_text()
    assert '<base href="/" />' in page  # the server replaces it
    assert '<meta name="server-time" content="0" />' in page  # as above
    named = re.findall(r'(?:src|href)="\./([^"]+)"', page)
    assert named
    assert [name for name in named if not (BUILT / name).exists()] == []
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page)
