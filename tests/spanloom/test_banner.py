from __future__ import annotations

from spanloom.process.banner import next_steps

ENDPOINTS = {"otlp_grpc": "127.0.0.1:14317", "otlp_http": "127.0.0.1:14318", "zipkin_http": "127.0.0.1:19411"}


def test_the_banner_has_the_ports_of_this_very_process() -> None:
    lines = next_steps(ENDPOINTS, "http://127.0.0.1:18080", default_url=False).splitlines()
    assert [line.split(maxsplit=1)[1] for line in lines if line.startswith("  ")] == [
        "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:14318  (OTLP/HTTP)",
        "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:14317  (OTLP/gRPC)",
        "zipkin_http to 127.0.0.1:19411",
        "http://127.0.0.1:18080",
        "SPANLOOM_URL=http://127.0.0.1:18080 spanloom status | traces | alerts    (each has --help)",
    ]


def test_commands_find_a_console_at_its_default_by_themselves() -> None:
    assert "SPANLOOM_URL" not in next_steps({}, "http://127.0.0.1:8080", default_url=True)
