"""Which commands may hold a label, and where: as a whole argument behind `--` of a program that treats it as a name only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from alerting.playbooks.programs import is_interpreter
from alerting.variables import names_in

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_WHOLE = re.compile(r"\$(\w+|\{\w+\})")
_FOLDERS = frozenset({"", "/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"})
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class _Form:
    """What may stand between a program and `--`.

    Args:
        verbs: the words that are no options, one sequence of them a verb.
        flags: options without a value.
        valued: options with a value, as the next word or behind `=`.
    """

    verbs: frozenset[str]
    flags: frozenset[str] = frozenset()
    valued: frozenset[str] = frozenset()

    def refusal(self, words: Sequence[str]) -> str:
        """Why the words are not of this form; empty if they are."""
        verb, rest = [], iter(words)
        for word in rest:
            option, equals, _ = word.partition("=")
            if not word.startswith("-"):
                verb.append(word)
            elif option in self.valued:
                _ = equals or next(rest, "")
            elif option not in self.flags:
                return f"the option {option} is not known to leave a label a name"
        if " ".join(verb) in self.verbs:
            return ""
        return f"{' '.join(verb) or 'no verb'!r} is none of {', '.join(sorted(self.verbs)) or 'no words'}"


_CONTAINERS = _Form(
    frozenset(
        each for verb in ("restart", "start", "stop", "pause", "unpause", "kill") for each in (verb, f"container {verb}")
    ),
    valued=frozenset({"-t", "--time", "--timeout", "-s", "--signal"}),
)
_WORKLOADS = ("deployment", "deploy", "statefulset", "sts", "daemonset", "ds")
_CLUSTER = _Form(
    # The kind is always named: a label alone could be `namespace/prod`, or a kind, which means all of them.
    frozenset(
        {f"rollout restart {kind}" for kind in _WORKLOADS}
        | {f"scale {kind}" for kind in _WORKLOADS[:4]}
        | {"delete pod", "delete pods", "cordon", "uncordon"}
    ),
    flags=frozenset({"--now", "--wait"}),
    valued=frozenset({"-n", "--namespace", "--context", "--kubeconfig", "--grace-period", "--timeout", "--replicas"}),
)
_FORMS = {
    "systemctl": _Form(
        frozenset(
            {
                *("restart", "try-restart", "start", "stop", "reset-failed"),
                *("reload", "reload-or-restart", "try-reload-or-restart"),
            }
        ),
        flags=frozenset({"--user", "--system", "--no-ask-password", "--no-block", "--no-pager", "--quiet", "-q"}),
    ),
    "docker": _CONTAINERS,
    "podman": _CONTAINERS,
    "kubectl": _CLUSTER,
    "oc": _CLUSTER,
    "logger": _Form(frozenset({""}), valued=frozenset({"-t", "--tag", "-p", "--priority"})),
}
"""Programs that take what stands behind `--` for the names of what they act upon, or for a text, whatever it is."""

_WAY_OUT = (
    "write a script of your own that treats the label as data, and name it by its absolute path under"
    " alerting.actions.command.programs"
)


def unsafe_arguments(command: Sequence[str], programs: Collection[str] = ()) -> list[tuple[int, str]]:
    """Places of arguments in which a label must not stand, and why.

    Args:
        command: program and arguments.
        programs: what the configuration names as taking labels for data, by absolute path.
    """
    labelled = [i for i, argument in enumerate(command) if names_in(argument)]
    if not labelled:
        return []
    begin, reason = _program(command)
    if labelled[0] <= begin:
        reason = "a label must not name the program that runs, nor the user that runs it"
    separator = next((i for i in range(begin + 1, len(command)) if command[i] == "--"), len(command))
    reason = reason or _refusal(command[begin], command[begin + 1 : separator], programs)
    if reason:
        return [(i, reason) for i in labelled]
    return [
        (i, "a label must be a whole argument behind `--`: before it could become an option, as a part of a word a path")
        for i in labelled
        if i < separator or not _WHOLE.fullmatch(command[i])
    ]


def program_by_name(command: Sequence[str]) -> str:
    """The program of a command that acts upon whatever unit, container or workload its arguments name; empty for any other."""
    name = _name(command[_program(command)[0]]) if command else ""
    return name if name in _FORMS and name != "logger" else ""


def _program(command: Sequence[str]) -> tuple[int, str]:
    """Where the program stands, behind `sudo -n -u USER --`; or why it is not clear which word it is."""
    if _name(command[0]) != "sudo":
        return 0, ""
    begin = 1
    while begin < len(command) and command[begin] != "--":
        if command[begin] in {"-u", "--user"} and begin + 1 < len(command) and _USER.fullmatch(command[begin + 1]):
            begin += 1
        elif command[begin] not in {"-n", "--non-interactive"}:
            break
        begin += 1
    if begin + 1 >= len(command) or command[begin] != "--":
        return 0, "with a label, write sudo -n -u USER -- PROGRAM ... -- LABEL: no other option, one `--` before the program"
    return begin + 1, ""


def _refusal(program: str, before: Sequence[str], programs: Collection[str]) -> str:
    """Why this program must not get a label; empty if it may."""
    if program in programs:
        inner = next((each for each in before if is_interpreter(each)), None)
        return f"{program} is given {inner}, which may run the label as code" if inner else ""
    form = _FORMS.get(_name(program))
    if form is None:
        return f"{program} must not get a label: nobody says that it cannot become code, a file or a host there; {_WAY_OUT}"
    wrong = form.refusal(before)
    return f"{program} must not get a label so: {wrong}; {_WAY_OUT}" if wrong else ""


def _name(program: str) -> str:
    """The name of a program that is looked up, or stands in a folder of the system; empty for any other."""
    folder, _, name = program.rpartition("/")
    return name if folder in _FOLDERS and (folder or "/" not in program) else ""
