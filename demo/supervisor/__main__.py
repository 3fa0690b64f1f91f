"""`python -m demo.supervisor`: the shop and its control API, until SIGTERM or until stdin ends.

Prints one JSON line when all is ready: `{"ready": "127.0.0.1:PORT"}`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import socket
import sys
import tempfile
import threading
from pathlib import Path

import uvicorn

from demo.supervisor.api import api
from demo.supervisor.roster import MESH, ROSTER, behind_proxy, placed
from demo.supervisor.shop import Shop


def arguments() -> argparse.Namespace:
    """What was asked on the command line."""
    parser = argparse.ArgumentParser(prog="python -m demo.supervisor", description="Runs the demo shop.")
    parser.add_argument("--host", default="127.0.0.1", help="where the control API listens (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8090, help="of the control API; 0 picks a free one (default: 8090)")
    parser.add_argument("--otlp-grpc", default="127.0.0.1:4317", help="where telemetry goes by gRPC (default: 127.0.0.1:4317)")
    parser.add_argument("--otlp-http", default="127.0.0.1:4318", help="where telemetry goes by HTTP (default: 127.0.0.1:4318)")
    parser.add_argument("--services-host", default="127.0.0.1", help="where the services listen (default: 127.0.0.1)")
    parser.add_argument("--away", nargs=3, metavar=("NAME", "NAMESPACE", "HOST"), help="an instance on a network of its own")
    parser.add_argument(
        "--mesh", nargs=len(MESH), type=int, metavar=MESH, help="ports of services behind a proxy, which then run"
    )
    parser.add_argument("--folder", type=Path, help="for addresses, database and queue (default: a temporary one)")
    parser.add_argument("--until-stdin-ends", action="store_true", help="also end when stdin does, as the demo does")
    return parser.parse_args()


async def supervise(asked: argparse.Namespace, folder: Path) -> None:
    """Run the shop until asked to end."""
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    if asked.until_stdin_ends:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    roster = placed(ROSTER, asked.services_host, tuple(asked.away) if asked.away else None)
    roster += behind_proxy(asked.mesh) if asked.mesh else ()
    shop = Shop(folder, asked.otlp_grpc, asked.otlp_http, roster)
    try:
        listening = socket.create_server((asked.host, asked.port))
    except OSError as error:
        sys.exit(f"control API: {asked.host}:{asked.port}: {error.strerror}; choose another with --port")
    with listening as listener:
        server = uvicorn.Server(uvicorn.Config(api(shop), log_config=None, lifespan="off", timeout_graceful_shutdown=1))
        serving = asyncio.create_task(server._serve([listener]))  # noqa: SLF001  # serve() would take the signals
        try:
            starting = asyncio.create_task(shop.start())
            waiting = asyncio.create_task(ending.wait())
            await asyncio.wait((starting, waiting), return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                print(json.dumps({"ready": f"{asked.host}:{listener.getsockname()[1]}"}), flush=True)  # noqa: T201  # protocol
            await waiting
            starting.cancel()
        finally:
            await shop.stop()
            server.should_exit = True
            await serving


def _end_with_stdin() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Run with a folder that lives as long as the shop, unless one was named."""
    asked = arguments()
    logging.basicConfig(level=logging.WARNING)
    if asked.folder:
        asyncio.run(supervise(asked, asked.folder))
        return
    with tempfile.TemporaryDirectory(prefix="spanloom-shop-") as folder:
        asyncio.run(supervise(asked, Path(folder)))


main()
