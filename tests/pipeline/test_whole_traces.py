"""Whole traces in stage 3: models are fitted in a thread, and scikit-learn is loaded only then."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from pipeline.exchange.codec import BatchKind
from pipeline.exchange.environment_topic import EnvironmentTopic
from pipeline.exchange.learning import encode_traces
from pipeline.runtime.fitting_thread import in_thread
from pipeline.score import ScoreStage
from processors.detectors.detector import build_detectors, score_config
from processors.root_cause.sampled_trace import SampledTrace
from spanloom.components import DETECTORS
from tests.pipeline.test_score import SECOND, START, World
from tests.processors.detectors.whole_trace.generated import checkout, failing

if TYPE_CHECKING:
    from processors.call_graph.visits import Visit

OTHERS_OFF = {one.name: {"enabled": one.name == "whole_traces"} for one in DETECTORS}


class ThreadWorld(World):
    """The stage as a process has it: with a thread for what takes long."""

    def restart(self) -> None:
        around: Any = self
        config = score_config(DETECTORS).model_validate(OTHERS_OFF)
        make = partial(build_detectors, DETECTORS, config, background=in_thread)
        self.stage = ScoreStage(around, EnvironmentTopic(around), around, lambda: self.time, make)


def window(number: int, *, bad: bool = False) -> bytes:
    rng = random.Random(number)
    found = []
    for second in range(10):
        start = START + (number * 10 + second) * SECOND
        visits: list[Visit] = checkout(rng, start=start)
        visits = failing(visits, rng) if bad else visits
        found.append(SampledTrace(rng.randbytes(16), start, start + visits[0].duration, is_whole=True, visits=tuple(visits)))
    return encode_traces(found)


async def live(world: World) -> list[Any]:
    for number in range(40):
        world.time = START + (number + 1) * 10 * SECOND
        await world.take(BatchKind.TRACES, window(number, bad=number >= 36))
        await asyncio.sleep(0)
    await world.stage.close()
    return sorted(world.stored)


async def test_a_thread_fits_what_is_found_without_one() -> None:
    found = await live(ThreadWorld())
    assert found == await live(World(**OTHERS_OFF)) != []


async def test_after_a_restart_the_models_are_those_that_were_saved() -> None:
    world = ThreadWorld()
    for number in range(36):
        world.time = START + (number + 1) * 10 * SECOND
        await world.take(BatchKind.TRACES, window(number))
    world.restart()
    assert not world.stored
    for number in range(36, 40):
        world.time = START + (number + 1) * 10 * SECOND
        await world.take(BatchKind.TRACES, window(number, bad=True))
    await world.stage.close()
    assert {document.body["kind"] for document in world.stored.values()} == {"trace"}


def test_a_process_that_fits_nothing_does_not_load_scikit_learn() -> None:
    code = "import sys, spanloom.wiring; print('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
