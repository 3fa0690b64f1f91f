"""One line of the suite: what is attempted on a running product, and what must be true afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.attack.bench import Bench


@dataclass(frozen=True, slots=True)
class Line:
    """An attack.

    Args:
        kind: of the table's first column.
        run: makes the attempt, asserts what must be true, and gives the figures that it saw.
        quick: whether it is part of every test run.
    """

    kind: str
    run: Callable[[Bench], str]
    quick: bool = False

    @property
    def name(self) -> str:
        """What must hold, as a sentence."""
        return self.run.__name__.replace("_", " ")

    @property
    def attempted(self) -> str:
        """What is done."""
        return (self.run.__doc__ or "").splitlines()[0].rstrip(".")


class FailedError(AssertionError):
    """What must be true is not."""


def must(condition: object, said: str) -> None:
    """Fail the line unless the condition holds; its message has the figures, for the table shows it."""
    if not condition:
        raise FailedError(said)
