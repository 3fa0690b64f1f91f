"""The pipeline's own process: `spanloom up`, with the demo's addresses in its environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spanloom.experiments.process import Child

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spanloom.experiments.options import Options


def up(options: Options, webhook_url: str, more: Mapping[str, str] | None = None) -> Child:
    """`spanloom up` on the ports of the demo, with its webhook receiver, the shop's supervisor, and `more` settings."""
    environment = {
        "SPANLOOM_DATA_DIR": str(options.data_dir),
        "SPANLOOM_OTLP_GRPC__HOST": options.otlp_host,
        "SPANLOOM_OTLP_HTTP__HOST": options.otlp_host,
        "SPANLOOM_OTLP_GRPC__PORT": str(options.otlp_grpc_port),
        "SPANLOOM_OTLP_HTTP__PORT": str(options.otlp_http_port),
        "SPANLOOM_CONSOLE__PORT": str(options.console_port),
        "SPANLOOM_WEBHOOK_URL": webhook_url,
        "SPANLOOM_SUPERVISOR_URL": f"http://127.0.0.1:{options.shop_port}",
        **(more or {}),
    }
    return Child("the pipeline", ["spanloom.cli", "up"], options.data_dir / "up.log", environment, speaks=False)
