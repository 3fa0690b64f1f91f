"""gRPC between services: unary methods whose messages are JSON, so that nothing has to be generated.

gRPC leaves the encoding of messages to its users; names, deadlines, status codes and instrumentation are gRPC's own.
"""

from __future__ import annotations

import json
import logging
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import grpc

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from demo.shop.directory import Directory
    from demo.shop.process import Surroundings

Message = dict[str, Any]

THREADS = 16
TIMEOUT_SECONDS = 5.0
DRAIN_SECONDS = 3.0
CHANNELS_KEPT = 4
"""Channels to earlier addresses are closed late, for calls may still be in flight on them."""

log = logging.getLogger(__name__)


def _encode(message: Message) -> bytes:
    return json.dumps(message).encode()


class RpcServer:
    """Serves methods of one gRPC service on a free port."""

    def __init__(self, service: str, methods: Mapping[str, Callable[[Message], Message]], around: Surroundings) -> None:
        self._faults, self._host = around.faults, around.host
        # Looked up at call time: the instrumentation replaces grpc.server.
        self._server = grpc.server(ThreadPoolExecutor(THREADS, thread_name_prefix="rpc"))
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(self._guarded(method), json.loads, _encode)
            for name, method in methods.items()
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        self._port = self._server.add_insecure_port(f"{self._host}:0")

    def _guarded(self, method: Callable[[Message], Message]) -> Callable[[Message, object], Message]:
        def handle(request: Message, context: grpc.ServicerContext) -> Message:
            try:
                self._faults.cross()
                return method(request)
            except Exception as error:
                log.exception("request failed")
                context.abort(grpc.StatusCode.INTERNAL, str(error))
                raise  # abort has raised already; this line is for readers and type checkers

        return handle

    def serve(self, ready: Callable[[str], None]) -> None:
        """Serve until SIGTERM, then let calls in flight finish."""
        self._server.start()
        ready(f"{self._host}:{self._port}")
        try:
            self._server.wait_for_termination()
        finally:
            self._server.stop(DRAIN_SECONDS).wait()


class RpcClient:
    """Calls one gRPC service, wherever it is now."""

    def __init__(self, directory: Directory, name: str, service: str) -> None:
        self._directory = directory
        self._name = name
        self._service = service
        self._lock = threading.Lock()
        self._channels: OrderedDict[str, grpc.Channel] = OrderedDict()

    def call(self, method: str, request: Message) -> Message:
        """Call a method and wait for its answer.

        Raises:
            NoInstanceError: no instance takes traffic.
            grpc.RpcError: the call failed.
        """
        stub = self._channel().unary_unary(f"/{self._service}/{method}", _encode, json.loads)
        answer: Message = stub(request, timeout=TIMEOUT_SECONDS)
        return answer

    def _channel(self) -> grpc.Channel:
        address = self._directory.address(self._name)
        with self._lock:
            channel = self._channels.get(address)
            if channel is None:
                channel = self._channels[address] = grpc.insecure_channel(address)
                if len(self._channels) > CHANNELS_KEPT:
                    self._channels.popitem(last=False)[1].close()
            self._channels.move_to_end(address)
            return channel
