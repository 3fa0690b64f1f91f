"""What lines share: one running product, and folders for those that need one of their own."""

from __future__ import annotations

import itertools
import threading
from contextlib import ExitStack, contextmanager
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING

from tests.attack.target import Product
from tests.system.cluster import ALL, Cluster, Role

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path
    from typing import Self


class Bench:
    """Starts what is needed, and stops all of it at the end.

    Args:
        folder: empty.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()
        self._stack = ExitStack()
        self._shared: Product | None = None
        self._clusters = self._stack.enter_context(ExitStack())
        self._cluster: Cluster | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def up(self) -> Product:
        """`spanloom up` with the defaults, shared; started again where a line has ended it."""
        if self._shared is None or not self._shared.lives:
            self._shared = self._stack.enter_context(self.product())
        return self._shared

    @property
    def cluster(self) -> Cluster:
        """Kafka, Elasticsearch, a collector and a worker of all stages, shared; new where a line ended one.

        Skips where they cannot be had.
        """
        if self._cluster is not None and not all(role.lives for role in (self._cluster.collector, *self._cluster.workers)):
            self._clusters.close()  # a line has ended it for good
            self._cluster = None
        if self._cluster is None:
            self._cluster = self._clusters.enter_context(Cluster(self.folder(), ALL))
        return self._cluster

    @contextmanager
    def other_worker(self, *arguments: str, **settings: str) -> Iterator[tuple[Cluster, Role]]:
        """The shared cluster, whose own worker rests meanwhile, and a worker of all stages, not started."""
        cluster = self.cluster
        worker = Role("worker", self.folder(), "--stages", ALL, *arguments, **{**cluster.settings, **settings})
        for own in cluster.workers:
            own.stop()
        rests, cluster.workers = cluster.workers, [worker]
        try:
            yield cluster, worker
        finally:
            worker.stop()
            cluster.workers = rests
            for own in rests:
                own.start()
            for own in rests:
                own.wait_ready()

    def product(
        self, *arguments: str, files: int = 0, settings: Mapping[str, str] | None = None, within: Sequence[str] = ()
    ) -> Product:
        """A product of the line's own, not started; stopped at the latest at the end of all."""
        product = Product(self.folder(), *arguments, files=files, settings=settings, within=within)
        self._stack.callback(product.stop)
        return product

    def serve(self, handler: type[BaseHTTPRequestHandler]) -> int:
        """The port of an HTTP server on loopback, until the end of all."""
        server = self._stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), handler))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self._stack.callback(server.shutdown)
        return server.server_port

    def folder(self) -> Path:
        """A new one."""
        made = self._folder / f"{next(self._numbers)}"
        made.mkdir(parents=True)
        return made
