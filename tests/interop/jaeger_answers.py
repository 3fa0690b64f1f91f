"""Record what a real Jaeger answers: `python -m tests.interop.jaeger_answers JAEGER`, the program, into jaeger_answers.json.

Recorded with Jaeger 1.76.0 (v2), its storage in memory and no adjustment of clocks, built from its module:

    go mod init recorded && go get -tool github.com/jaegertracing/jaeger/cmd/jaeger@v1.76.0
    go build -o jaeger github.com/jaegertracing/jaeger/cmd/jaeger

Of searches only the ids of the traces are kept.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from telemetry.otlp.encode import encode_spans
from tests.interop import jaeger_cases as cases
from tests.services import free_port

RECORDED = Path(__file__).with_suffix(".json")

CONFIG = """
service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines: {{traces: {{receivers: [otlp], exporters: [jaeger_storage_exporter]}}}}
  telemetry: {{logs: {{level: warn}}, metrics: {{level: none}}}}
extensions:
  jaeger_query: {{storage: {{traces: kept}}, http: {{endpoint: "127.0.0.1:{http}"}}, grpc: {{endpoint: "127.0.0.1:{grpc}"}}}}
  jaeger_storage: {{backends: {{kept: {{memory: {{max_traces: 1000}}}}}}}}
receivers: {{otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{otlp}"}}}}}}}}
exporters: {{jaeger_storage_exporter: {{trace_storage: kept}}}}
"""


def get(url: str) -> tuple[int, Any]:
    """The status and the JSON of an answer."""
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def ids_of(found: Any) -> list[str]:
    """The ids of the traces that a search found."""
    if "result" in found:
        spans = (span for one in found["result"]["resourceSpans"] for scope in one["scopeSpans"] for span in scope["spans"])
        return sorted({span["traceId"] for span in spans})
    return sorted(trace["traceID"] for trace in found["data"])


def record(base: str) -> dict[str, Any]:
    """Each path with the answer."""
    kept: dict[str, Any] = {}
    for path in (*cases.TRACES, *cases.TRACES_V3, *cases.NAMES, *cases.DEPENDENCIES):
        status, kept[path] = get(f"{base}/{path}")
        assert status == 200, path
    for path in (*cases.SEARCHES, *cases.SEARCHES_V3):
        status, found = get(f"{base}/{path}")
        assert status == 200, path
        kept[path] = ids_of(found)
    for path in cases.REFUSED:
        kept[path], _ = get(f"{base}/{path.replace(' ', '%20')}")
    return kept


def main(program: str) -> None:
    """Start it, give it the spans, ask, write."""
    http, grpc, otlp = (free_port() for _ in range(3))
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "jaeger.yaml"
        config.write_text(CONFIG.format(http=http, grpc=grpc, otlp=otlp))
        process = subprocess.Popen([program, "--config", str(config)])
        try:
            base = f"http://127.0.0.1:{http}/api"
            deadline = time.monotonic() + 120
            while True:
                try:
                    get(f"{base}/services")
                    break
                except OSError:
                    assert time.monotonic() < deadline
                    assert process.poll() is None
                    time.sleep(0.2)
            headers = {"content-type": "application/x-protobuf"}
            url = f"http://127.0.0.1:{otlp}/v1/traces"
            with urllib.request.urlopen(urllib.request.Request(url, encode_spans(cases.SPANS), headers)) as answer:
                assert answer.status == 200
            RECORDED.write_text(json.dumps(record(base), indent=1, ensure_ascii=False, sort_keys=True) + "\n")
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main(sys.argv[1])
