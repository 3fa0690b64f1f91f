"""What becomes of a record between stages that its stage cannot read."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pipeline.exchange.inner_records import NewerRecordError
from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.dead_letters.limits import DeadLetters
    from pipeline.delivery.offset_tracker import OffsetTracker
    from pipeline.record import Record


Done = TypeVar("Done")


async def usable_or_aside(event: Record, work: Callable[[], Done], offsets: OffsetTracker, dead: DeadLetters) -> Done | None:
    """The result of the work of a record; None where the record cannot be read, and is a dead letter on return.

    A record of a later release is none: its partition waits until another worker takes it.

    Raises:
        whatever else the work raises: that is a failure of ours.
    """
    try:
        done = work()
    except NewerRecordError as error:
        await dead.pause(event, offsets.is_stale, reason=str(error), hint="upgrade all workers together")
        _pass(event, offsets)  # where a person skips it
        return None
    except InputError as error:
        if await dead.admit(event, error, offsets.is_stale):
            await dead.send(event, error)  # before it is tracked, which frees its value
            _pass(event, offsets)
        return None
    dead.usable(event)
    return done


def _pass(event: Record, offsets: OffsetTracker) -> None:
    if not offsets.is_stale(event):
        offsets.add(event)
        offsets.release(event.message.tp, (event.message.offset,))
