"""HTTP without OpenTelemetry: a service that knows of no telemetry, and is seen by the proxy beside it.

It does what any service must do to stay in one trace: it passes `traceparent` on.
"""

from __future__ import annotations

import http.client
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from demo.shop.faults import InjectedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from email.message import Message

    from demo.shop.process import Surroundings

TIMEOUT_SECONDS = 5.0
PASSED_ON = ("traceparent", "tracestate")

Answer = tuple[int, object]
"""A status, and what the body says as JSON."""


class ProxyCalls:
    """Requests and calls that pass the proxy beside a service: each is a span that the proxy sends."""

    def __init__(self, report: Callable[[dict[str, int]], None]) -> None:
        self._lock = threading.Lock()
        self._report = report
        self._number = 0

    def add(self) -> None:
        """Count one."""
        with self._lock:
            self._number += 1
            self._report({"spans_by_proxy": self._number})  # here, so that counts never go back


class PlainServer:
    """Serves `GET` on the port that it was given, each connection in a thread."""

    def __init__(self, around: Surroundings, answer: Callable[[str, Mapping[str, str]], Answer], count: ProxyCalls) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # headers and body are two writes
            timeout = 3600

            def do_GET(self) -> None:
                try:
                    around.faults.cross()
                    status, body = answer(self.path, passed_on(self.headers))
                except InjectedError as error:
                    status, body = 500, {"error": str(error)}
                count.add()
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """The proxy has the access log."""

        self._server = ThreadingHTTPServer((around.host, around.port), Handler)
        self._server.daemon_threads = True  # of connections that the proxy keeps open

    def serve(self, ready: Callable[[str], None]) -> None:
        """Serve until SIGTERM."""
        host, port = self._server.server_address[:2]
        ready(f"{host!s}:{port}")
        try:
            self._server.serve_forever()
        finally:
            self._server.server_close()


def passed_on(headers: Message) -> dict[str, str]:
    """The headers of a request that its calls carry too."""
    return {name: value for name in PASSED_ON if (value := headers.get(name))}


def get_through(proxy: str, service: str, path: str, headers: Mapping[str, str]) -> Answer:
    """`GET` of a service by its name, through the proxy that knows where it is.

    Raises:
        OSError: the proxy does not answer.
    """
    address = urlsplit(f"//{proxy}")
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", path, headers={**headers, "host": service})
        answer = connection.getresponse()
        content = answer.read()
    except http.client.HTTPException as error:
        raise OSError(str(error)) from error
    finally:
        connection.close()
    try:
        return answer.status, json.loads(content)
    except ValueError:
        return answer.status, {"error": content.decode(errors="replace")}
