"""`spanloom analyse` on messages between traces."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.pipeline.assembling.test_span_links import RECEIVER, SENDERS
from tests.spanloom.commands.test_explain import line
from tests.system.test_analyse import analyse, lines

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.system
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_each_message_of_a_batch_names_its_sender_in_whichever_order_the_spans_stand(seed: int, tmp_path: Path) -> None:
    file, out = tmp_path / "spans.jsonl", tmp_path / "out"
    spans = [RECEIVER, *(span for sender in SENDERS for span in sender)]
    random.Random(seed).shuffle(spans)
    file.write_text("\n".join(map(line, spans)))
    done = analyse(file, "--out", out)
    assert done.returncode == 0, done.stderr
    received = [hop for hop in lines(out / "hops.jsonl") if hop["callee"]["name"] == "mail"]
    assert sorted((hop["caller"]["kind"], hop["caller"]["name"], hop["queue_wait"]) for hop in received) == [
        ("queue", "unknown", None),
        ("service", "shop", 46_000_000),
        ("service", "shop", 47_000_000),
        ("service", "shop", 48_000_000),
    ]
    assert len(lines(out / "traces.jsonl")) == 4
