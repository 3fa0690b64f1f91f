"""A sentence is its English text everywhere, and keeps its parts as far as documents, copies and other processes go."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import orjson
import pytest

import telemetry
from telemetry.errors import StoreError
from telemetry.sentences import Sentence, changed, parts_of, sentence_of, with_parts
from telemetry.sentences.wording import Wording

ROOT = Path(telemetry.__file__).parents[1]
PRODUCT = ("alerting", "dashboards", "pipeline", "processors", "spanloom", "stores", "telemetry")
DETAIL = Wording.EXIT_CODE(command="restart", exit=3)
FAILED = Wording.STEP_FAILED(step="restart", detail=DETAIL)
ODD = Wording.TRACE_ODD(root="shop GET /", parts=(Wording.PART_DURATION(seen="3 s", usual="20 ms"), "plain"))


def test_a_sentence_reads_in_english_and_has_its_parts_by_name() -> None:
    assert FAILED == "step 'restart' failed: restart: exit code 3"
    assert ODD == "a trace of shop GET /: the whole trace took 3 s, usually 20 ms; plain"
    assert parts_of(FAILED) == {
        "code": "step_failed",
        "values": {"step": "restart", "detail": {"code": "exit_code", "values": {"command": "restart", "exit": "3"}}},
    }
    assert parts_of("restart: exit code 3") is None


@pytest.mark.parametrize("sentence", [FAILED, ODD], ids=["nested", "several"])
def test_copies_other_processes_and_documents_keep_the_parts(sentence: Sentence) -> None:
    for other in (copy.deepcopy(sentence), pickle.loads(pickle.dumps(sentence))):
        assert (other, parts_of(other)) == (sentence, parts_of(sentence))
    stored = orjson.loads(orjson.dumps({"why": sentence, "why_parts": parts_of(sentence)}))
    assert stored["why"] == sentence
    assert parts_of(with_parts(stored["why"], stored["why_parts"])) == parts_of(sentence)


@pytest.mark.parametrize(
    "stored",
    [
        *(None, "text", [], {}, {"code": 3, "values": {}}, {"code": "a"}, {"code": "a", "values": {"b": 3}}),
        *({"code": "a", "values": {"b": [3]}}, {"code": "a", "values": {"b": {"code": "c"}}}),
    ],
    ids=str,
)
def test_what_is_no_parts_leaves_the_text_alone(stored: object) -> None:
    assert parts_of(with_parts("as it was", stored)) is None
    assert with_parts("as it was", stored) == "as it was"


def test_what_is_too_deep_leaves_the_text_alone() -> None:
    deep = parts_of(Wording.DRY_RUN())
    for _ in range(10_000):
        deep = {"code": "visits", "values": {"why": deep}}
    assert parts_of(with_parts("as it was", deep)) is None


def test_a_change_reaches_the_values_within() -> None:
    masked = changed(FAILED, lambda text: text.replace("restart", "***"))
    assert masked == "step '***' failed: ***: exit code 3"
    assert "restart" not in orjson.dumps(parts_of(masked)).decode()
    assert changed("restart", str.upper) == "RESTART"


def test_an_error_says_its_sentence() -> None:
    assert parts_of(sentence_of(StoreError(FAILED))) == parts_of(FAILED)
    assert sentence_of(StoreError("plain")) == "plain"
    assert str(StoreError(FAILED)) == FAILED


def test_every_sentence_is_said_somewhere() -> None:
    sources = [path.read_text() for folder in PRODUCT for path in (ROOT / folder).rglob("*.py") if path.name != "wording.py"]
    assert [one.name for one in Wording if not any(f"Wording.{one.name}" in source for source in sources)] == []
