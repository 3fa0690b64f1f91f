"""What a person at a terminal reads when the process is ready. Logs and pipes never get it: it may hold a token."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def on_terminal(text: str) -> None:
    """Write to the terminal, if there is one."""
    for stream in (sys.stderr, sys.stdout):
        if stream.isatty():
            stream.write(text)
            stream.flush()
            return


def next_steps(endpoints: Mapping[str, str], url: str, *, default_url: bool) -> str:
    """How telemetry comes in, and what to look at.

    Args:
        endpoints: `HOST:PORT` by receiver.
        url: of the console.
        default_url: whether commands ask it by default.
    """
    lines = []
    if "otlp_http" in endpoints:
        lines.append(f"  send     OTEL_EXPORTER_OTLP_ENDPOINT=http://{endpoints['otlp_http']}  (OTLP/HTTP)")
    if "otlp_grpc" in endpoints:
        lines.append(f"  or       OTEL_EXPORTER_OTLP_ENDPOINT=http://{endpoints['otlp_grpc']}  (OTLP/gRPC)")
    lines += (f"  or       {name} to {address}" for name, address in endpoints.items() if not name.startswith("otlp_"))
    lines.append(f"  look     {url}")
    variable = "" if default_url else f"SPANLOOM_URL={url} "
    lines.append(f"  or       {variable}spanloom status | traces | alerts    (each has --help)")
    return "\nSpanloom is ready.\n\n" + "\n".join(lines) + "\n\n"
