from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from collectors.replay import files
from collectors.replay.files import BadLineError, OtlpFile, read_requests
from telemetry import otlp

NEZHA = Path(__file__).parents[4] / "shared" / "data" / "nezha"


def spans_line(*ids: str) -> bytes:
    spans = [{"traceId": "01" * 16, "spanId": span_id} for span_id in ids or ("02" * 8,)]
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode() + b"\n"


def logs_line(text: str = "hi") -> bytes:
    return json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": text}}]}]}]}).encode() + b"\n"


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_each_line_gives_its_signal_its_request_and_its_number(tmp_path: Path, pack: Any) -> None:
    path = tmp_path / "telemetry"
    path.write_bytes(pack(spans_line() + b"\n" + logs_line()))
    requests = list(read_requests(path))
    assert [(signal, number) for signal, _, number in requests] == [("spans", 1), ("logs", 3)]
    assert len(otlp.decode_spans(requests[0][1])) == 1
    assert otlp.decode_logs(requests[1][1])[0].body == "hi"


def test_a_bad_line_is_an_error_that_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.jsonl"
    path.write_bytes(logs_line() + b'{"resourceSpans": 7}\n')
    requests = read_requests(path)
    next(requests)
    with pytest.raises(BadLineError) as caught:
        next(requests)
    assert str(caught.value) == f"{path}:2: resourceSpans: must be an array, not 7"


def test_told_of_errors_reading_goes_on_with_all_that_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.jsonl"
    path.write_bytes(b"{\n" + spans_line("02" * 8, "00" * 8) + spans_line("03") + logs_line())
    errors: list[BadLineError] = []
    requests = list(read_requests(path, errors.append))
    assert [number for _, _, number in requests] == [2, 4]
    assert len(otlp.decode_spans(requests[0][1])) == 1
    assert [str(error).removeprefix(f"{path}:")[:66] for error in errors] == [
        "1: not JSON: unexpected end of data: line 2 column 1 (char 2)",
        "2: resourceSpans[0].scopeSpans[0].spans[1].spanId: must be an id o",
        "3: resourceSpans[0].scopeSpans[0].spans[0].spanId: must be an id o",
    ]


def test_a_gzip_file_that_is_cut_off_gives_what_it_has_and_an_error(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.jsonl.gz"
    path.write_bytes(gzip.compress(logs_line())[:-4])
    requests = read_requests(path)
    assert next(requests)[0] == "logs"
    with pytest.raises(BadLineError, match=r":2: cannot be read on from here"):
        next(requests)


def test_text_that_is_no_unicode_is_replaced_and_counted_and_a_byte_order_mark_skipped(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + logs_line("caf?").replace(b"?", b"\xe9") + logs_line("cut ?").replace(b"?", rb"\ud83d"))
    file = OtlpFile(path)
    assert [record.body for _, value, _ in file for record in otlp.decode_logs(value)] == ["caf�", "cut �"]
    assert file.replaced == 2


def test_a_line_without_end_is_not_read_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_LINE_BYTES", 1000)
    path = tmp_path / "telemetry.jsonl.gz"
    path.write_bytes(gzip.compress(logs_line() + b" " * 1_000_000))
    errors: list[BadLineError] = []
    assert len(list(read_requests(path, errors.append))) == 1
    assert "more than 1000 bytes" in str(errors[0])


def test_the_position_ends_at_the_size_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.jsonl.gz"
    path.write_bytes(gzip.compress(logs_line() * 100))
    file = OtlpFile(path)
    assert len(list(file)) == 100
    assert file.position == path.stat().st_size


@pytest.mark.shared
@pytest.mark.skipif(not NEZHA.exists(), reason=f"{NEZHA} is not there: the recorded telemetry is read nowhere else")
def test_recorded_telemetry_is_read_without_loss() -> None:
    path = next(
        path for path in sorted(NEZHA.glob("ts-*.jsonl.gz")) if b"-6795364578871345152" in gzip.decompress(path.read_bytes())
    )
    ids = gzip.decompress(path.read_bytes()).count(b'"startTimeUnixNano"')
    records = gzip.decompress(path.read_bytes()).count(b'"logRecords":[{"')
    counts = dict.fromkeys(otlp.SIGNALS, 0)
    for signal, value, _ in read_requests(path):
        counts[signal] += otlp.count_items(signal, otlp.parse(signal, value))
    assert (counts["spans"], counts["logs"]) == (ids, records)
