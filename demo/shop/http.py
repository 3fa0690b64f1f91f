"""HTTP between services: a threaded WSGI server for a Flask application, and calls to other services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import requests
from werkzeug.serving import ThreadedWSGIServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    from demo.shop.directory import Directory
    from demo.shop.process import Surroundings

TIMEOUT_SECONDS = 5.0


class HttpServer:
    """Serves a Flask application on the port that it was given or a free one, each request in a thread."""

    def __init__(self, app: Flask, around: Surroundings) -> None:
        # Registered last, so that it runs inside the span that the instrumentation opens.
        app.before_request(around.faults.cross)
        self._host = around.host
        self._server = ThreadedWSGIServer(self._host, around.port, app)
        self._server.daemon_threads = False  # so that closing waits for requests in flight

    def serve(self, ready: Callable[[str], None]) -> None:
        """Serve until SIGTERM."""
        ready(f"{self._host}:{self._server.port}")
        try:
            self._server.serve_forever()
        finally:
            self._server.server_close()


class HttpClient:
    """Calls one service over HTTP, wherever it is now."""

    def __init__(self, directory: Directory, service: str) -> None:
        self._directory = directory
        self._service = service

    def get(self, path: str) -> Any:
        """The JSON body of a GET."""
        return self._call("GET", path, None)

    def post(self, path: str, body: Any) -> Any:
        """The JSON body of a POST."""
        return self._call("POST", path, body)

    def delete(self, path: str) -> Any:
        """The JSON body of a DELETE."""
        return self._call("DELETE", path, None)

    def _call(self, method: str, path: str, body: Any) -> Any:
        url = f"http://{self._directory.address(self._service)}{path}"
        response = requests.request(method, url, json=body, timeout=TIMEOUT_SECONDS)
        response.raise_for_status()
        return response.json()
