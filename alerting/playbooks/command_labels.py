"""Where a label may stand in a command: as a whole argument behind `--`, and never where a program would take it for code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from alerting.playbooks.programs import (
    APPLETS,
    CLIENTS,
    CODE,
    INTERPRETERS,
    REMOTE,
    RUNNING,
    WRAPPERS,
    is_interpreter,
    names_of,
)
from alerting.variables import names_in

if TYPE_CHECKING:
    from collections.abc import Sequence

_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_WHOLE = re.compile(r"\$(\w+|\{\w+\})")


def unsafe_arguments(command: Sequence[str]) -> list[tuple[int, str]]:
    """Places of arguments in which a label must not stand, and why."""
    labelled = [i for i, argument in enumerate(command) if names_in(argument)]
    if not labelled:
        return []
    begin, reason = _program(command, labelled[0])
    reason = reason or _runs_it(command, begin, labelled[0])
    if reason:
        return [(i, reason) for i in labelled]
    separator = next((i for i in range(begin + 1, len(command)) if command[i] == "--"), len(command))
    return [
        (i, "a label must be a whole argument behind `--`: before it could become an option, as a part of a word a path")
        for i in labelled
        if i < separator or not _WHOLE.fullmatch(command[i])
    ]


def _program(command: Sequence[str], first: int) -> tuple[int, str]:
    """Where the program that gets the first label stands, behind those that only run another; or why none does."""
    begin = 0
    while begin < first:
        names = names_of(command[begin])
        if names & APPLETS:
            begin += 1
        elif names & WRAPPERS:
            # `sudo OPTIONS -- PROGRAM ... -- LABEL`: only so is it clear which word is the program.
            inner = next((i + 1 for i in range(begin + 1, len(command)) if command[i] == "--"), len(command))
            while inner < first and _ASSIGNMENT.match(command[inner]):
                inner += 1
            if inner >= first:
                return (
                    begin,
                    f"behind {command[begin]} a label needs one `--` before the program and another before the label",
                )
            begin = inner
        else:
            return begin, ""
    return begin, "a label must not name the program that runs"


def _runs_it(command: Sequence[str], begin: int, first: int) -> str:
    """Why the program would do more with the label than to take it for a value; empty where it would not."""
    program, before = command[begin], command[begin + 1 : first]
    names = names_of(program)
    inner = next((each for each in before if is_interpreter(each)), None)
    if names & CODE:
        return f"{program} takes arguments for code, so that a label would be run; use a program of your own"
    if names & REMOTE:
        return f"{program} takes an argument for a host or a URL, which a label must not be; use the action `http`"
    if names & CLIENTS and not RUNNING.isdisjoint(before):
        return f"{program} would run the label, or hand it to what it runs; use a program of your own"
    if names & INTERPRETERS and (not before or before[0].startswith("-")):
        return f"{program} would run the label as code; name a script file first, or pass it in `environment`"
    return f"the label would be handed on to {inner}, which may run it; pass it in `environment`" if inner else ""
