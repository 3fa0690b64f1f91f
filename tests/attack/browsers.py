"""What a page of another site can make a browser do, and what telemetry can make our pages do."""

from __future__ import annotations

import base64
import os
import re
import socket
import time
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from tests.attack.access import CHANGES
from tests.attack.line import Line, must
from tests.attack.telemetry import logs, spans
from tests.services import free_port

if TYPE_CHECKING:
    from tests.attack.bench import Bench

PAGES = ("/", "/map", "/traces", "/logs", "/alerts", "/incidents")
SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(1)>"


def a_rebound_name_is_answered_on_no_address(bench: Bench) -> str:
    """Requests with the Host of another site, on 127.0.0.1 and on 127.0.0.2, with the token even."""
    own = bench.product(settings={"CONSOLE": f"127.0.0.2:{free_port()}"})
    found = []
    for host in (
        "rebind.evil.example",
        "127.0.0.1.evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "[::1].evil",
        "",
    ):
        headers = {"host": host, **bench.up.authorised}
        found.append(bench.up.get("/api/v1/status", headers=headers).status)
    must(all(status in {400, 403, 421} for status in found), f"answered {found}")
    own.start()
    address = own.environment["SPANLOOM_CONSOLE"]
    own.wait_for(lambda: _raw(address, "127.0.0.2", "/healthz").startswith(b"HTTP/1.1 200"), 120, "not ready")
    answer = _raw(address, "rebind.evil.example", "/api/v1/status")
    must(b" 400 " in answer[:20] or b" 403 " in answer[:20] or b" 421 " in answer[:20], f"127.0.0.2 answered {answer[:60]!r}")
    own.stop()
    return f"{sorted(set(found))} on 127.0.0.1, {answer[9:12].decode()} on 127.0.0.2"


def _raw(address: str, host: str, path: str) -> bytes:
    name, _, port = address.rpartition(":")
    try:
        with socket.create_connection((name, int(port)), timeout=10) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            return connection.recv(2000)
    except OSError:
        return b""


def a_page_of_another_site_changes_nothing(bench: Bench) -> str:
    """Every state-changing request with the token and a foreign Origin, or as browsers mark a request across sites."""
    up = bench.up
    wrong = []
    marks: tuple[dict[str, str], ...] = (
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": f"http://127.0.0.1:{up.console}.evil.example"},
        {"origin": f"http://localhost:{up.http}"},
        {"sec-fetch-site": "cross-site"},
    )
    for mark in marks:
        for method, path, body, kind in CHANGES:
            headers = {**up.authorised, **mark, "content-type": kind or "text/plain"}
            status = up.request(method, path, body, up.console, headers).status
            if status not in {400, 403}:
                wrong.append((mark, method, path, status))
    must(not wrong, f"answered: {wrong[:3]}")
    return f"{len(marks)} origins on {len(CHANGES)} requests, all refused"


def a_foreign_page_opens_no_websocket(bench: Bench) -> str:
    """WebSocket handshakes of the console with foreign Origin and Host."""
    up = bench.up
    answers = {}
    ours = f"http://127.0.0.1:{up.console}"
    for origin, host in (
        ("https://evil.example", ""),
        ("null", ""),
        (ours, "evil.example"),
        ("https://evil.example", "evil.example"),
        (f"{ours}.evil.example", ""),
    ):
        key = base64.b64encode(os.urandom(16)).decode()
        with socket.create_connection(("127.0.0.1", up.console), timeout=10) as connection:
            connection.sendall(
                f"GET /api/v1/events HTTP/1.1\r\n"
                f"Host: {host or f'127.0.0.1:{up.console}'}\r\n"
                f"Origin: {origin}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                f"Sec-WebSocket-Key: {key}\r\n\r\n".encode()
            )
            answers[origin, host] = connection.recv(200)[9:12]
    must(b"101" not in answers.values(), f"opened: {answers}")
    return f"{len(answers)} handshakes: {sorted({answer.decode() for answer in answers.values()})}"


def every_page_says_what_browsers_may_do_with_it(bench: Bench) -> str:
    """Security headers of pages, of the API, of errors and of the login."""
    up = bench.up
    missing = []
    for path in (*PAGES, "/login", "/api/v1/status", "/nowhere", "/healthz"):
        headers = up.get(path, headers=up.authorised).headers
        policy = headers.get("content-security-policy", "")
        if "frame-ancestors 'none'" not in policy or "default-src 'none'" not in policy:
            missing.append((path, "content-security-policy", policy[:60]))
        if "'unsafe-inline'" in policy.partition("script-src")[2].partition(";")[0]:
            missing.append((path, "scripts in the page run", policy[:60]))
        expected = ("x-content-type-options", "referrer-policy", "x-frame-options")
        missing += [(path, name, "") for name in expected if name not in headers]
        if "access-control-allow-origin" in headers:
            missing.append((path, "access-control-allow-origin", headers["access-control-allow-origin"]))
    must(not missing, f"{missing[:4]}")
    return f"{len(PAGES) + 4} paths"


def markup_in_telemetry_stays_text(bench: Bench) -> str:
    """A script as service, operation, attribute, log line and trace state; all pages and the API are read afterwards."""
    up = bench.up
    trace = os.urandom(16)
    body = spans(SCRIPT, 3, trace=trace, name=lambda _: SCRIPT, attributes=lambda _: {SCRIPT: SCRIPT, "http.route": SCRIPT})
    must(up.export(body).status == 200, "not accepted")
    must(up.export(logs(SCRIPT, 1, SCRIPT), "logs").status == 200, "not accepted")
    up.wait_for(lambda: up.find("span", f"trace_id:{trace.hex()}"), 60, "the spans are not stored")
    for path in (*PAGES, f"/traces/{trace.hex()}", f"/traces?service={SCRIPT}", "/alerts/%3Cscript%3Ealert(1)%3C/script%3E"):
        answer = up.get(path.replace("<", "%3C").replace(">", "%3E").replace(" ", "%20"), headers=up.authorised)
        must(SCRIPT not in answer.text, f"{path}: the markup stands in the page as it came")
    kind = up.get(f"/api/v1/traces/{trace.hex()}", headers=up.authorised).headers.get("content-type", "")
    must(kind.startswith("application/json"), f"the API says {kind}")
    return f"{len(PAGES) + 3} pages, API is {kind}"


def a_login_leads_to_no_other_site(bench: Bench) -> str:
    """Logins with the right token and a `next` of another site, spelled in a dozen ways, by link and by form."""
    up = bench.up
    spellings = (
        "//evil.example", "https://evil.example", "/\\evil.example", "\\\\evil.example", "/\t/evil.example",
        "https:evil.example", "javascript:alert(1)", "/..//evil.example", "///evil.example", "/%2f/evil.example",
        " //evil.example", "/\r\nset-cookie: a=b", "http:///evil.example", "?x=//evil.example", "@evil.example",
    )  # fmt: skip
    led = []
    for spelling in spellings:
        form = urlencode({"token": up.token, "next": spelling})
        kind = {"content-type": "application/x-www-form-urlencoded"}
        for answer in (
            up.request("POST", "/login", form.encode(), up.console, kind),
            up.get(f"/login?{form}"),
        ):
            to = answer.headers.get("location", "")
            if "a=b" in answer.headers.get("set-cookie", "") or (
                to and not (to.startswith("/") and to[1:2] not in {"/", "\\"})
            ):
                led.append((spelling, to))
            must("evil" not in answer.text or "href" not in answer.text, f"{spelling!r} stands in a link of the page")
            cookie = answer.headers.get("set-cookie", "").lower()
            must(not cookie or ("httponly" in cookie and "samesite" in cookie), f"the cookie is {cookie[-60:]}")
    must(not led, f"{led}")
    return f"{len(spellings)} spellings, all stay here"


def a_browser_that_goes_away_leaves_no_traceback(bench: Bench) -> str:
    """Pages and their files asked for by connections that end before the answer comes."""
    up = bench.up
    up.stored_afterwards()
    files = sorted(set(re.findall(r'"\./(assets/[^"]+)"', up.get("/", headers=up.authorised).text)))[:8]
    before = up.log.count("Traceback")
    paths = (*PAGES, *(f"/{file}" for file in files))
    with up.cost() as cost:
        for wait in (0.01, 0.05, 0.2):
            for path in paths:
                with socket.create_connection(("127.0.0.1", up.console), timeout=5) as connection:
                    host = f"127.0.0.1:{up.console}"
                    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: gzip\r\n\r\n".encode())
                    time.sleep(wait)
        must(up.get("/", headers=up.authorised).status == 200, "the console does not answer afterwards")
    left = up.log.count("Traceback") - before
    must(not left, f"{left} tracebacks: {up.log[-500:]}")
    return f"{3 * len(paths)} requests, no traceback, {cost}"


LINES = (
    Line("browsers", a_rebound_name_is_answered_on_no_address),
    Line("browsers", a_page_of_another_site_changes_nothing, quick=True),
    Line("browsers", a_foreign_page_opens_no_websocket, quick=True),
    Line("browsers", every_page_says_what_browsers_may_do_with_it, quick=True),
    Line("browsers", markup_in_telemetry_stays_text, quick=True),
    Line("browsers", a_login_leads_to_no_other_site, quick=True),
    Line("browsers", a_browser_that_goes_away_leaves_no_traceback, quick=True),
)
