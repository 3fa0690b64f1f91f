"""How a demo run is set up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Options:
    """Where the demo listens and how long it waits. Port 0 is not for the OTLP and console ports: the shop must know them."""

    data_dir: Path
    console_port: int = 8080
    otlp_grpc_port: int = 4317
    otlp_http_port: int = 4318
    shop_port: int = 8090
    webhook_port: int = 8091
    warm_up_seconds: float = 75.0
    deadline_seconds: float = 240.0
    users_per_second: float = 6.0
    seed: int = 1
    first_fault: str = "latency"
    otlp_host: str = "127.0.0.1"
    mesh: bool = True  # where Envoy is
