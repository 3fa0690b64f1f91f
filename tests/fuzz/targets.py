"""Every parser that a stranger reaches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fuzz import (
    access,
    alertmanager,
    api,
    durable_log,
    foreign,
    kernels,
    otlp,
    playbooks,
    rules,
    search,
    stage_records,
    structure,
)

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

    from tests.fuzz.target import Target


def all_targets(folder: Path, stack: ExitStack) -> dict[str, Target]:
    """Each by its name.

    Args:
        folder: where those that read files write them; empty.
        stack: ends what they hold.
    """
    found = (
        *otlp.TARGETS,
        otlp.of_files(folder),
        *kernels.TARGETS,
        *structure.TARGETS,
        *access.TARGETS,
        access.of_requests(stack),
        *foreign.TARGETS,
        *stage_records.TARGETS,
        *durable_log.TARGETS,
        durable_log.of_segments(folder),
        *rules.TARGETS,
        *search.TARGETS,
        *alertmanager.TARGETS,
        alertmanager.of_configuration(folder),
        *playbooks.TARGETS,
        *playbooks.of_files(folder),
        api.of_api(folder, stack),
    )
    return {target.name: target for target in found}
