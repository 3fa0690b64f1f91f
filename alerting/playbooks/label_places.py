"""What of a playbook's calls is refused when it is loaded, and what is worth a warning."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from alerting.playbooks.command_labels import program_by_name, unsafe_arguments
from alerting.playbooks.label_values import Place, place_of, texts_in
from alerting.playbooks.programs import is_interpreter
from alerting.variables import RESULT, names_in
from components.sender import is_loopback

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from alerting.playbooks.label_values import Path
    from telemetry.json_object import JsonObject

Found = tuple["Path", str]

_UP_TO_HOST = re.compile(r"https?://[^/?#\\$@\s]+(?=[/?#]|$)", re.IGNORECASE)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LABEL_VARIABLE = re.compile(r"(LABEL|ALERT)_[A-Za-z0-9_]+")
"""Names by which no program is steered: any other may say what to load, to run or to ask."""
_LABEL_HEADER = re.compile(r"x-(alert|label)-[a-z0-9-]+", re.IGNORECASE)
"""Names by which no server and no proxy is steered: any other may say where a request goes, what it is or who sends it."""
_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key", "api-key", "x-auth-token"})


def unsafe_places(action: str, arguments: Mapping[str, object], programs: Collection[str] = ()) -> Iterator[Found]:
    """Where a value from telemetry would be more than a value: code, an option, a host, another file, another header.

    Args:
        action: what is called.
        arguments: as the playbook has them.
        programs: what the configuration names as taking labels for data, by absolute path.
    """
    command = arguments.get("command")
    if action == "command" and isinstance(command, list | tuple):
        for index, reason in unsafe_arguments([str(each) for each in command], programs):
            yield ("command", index), reason
    if action == "command":
        yield from _unsafe_variables(arguments.get("environment"))
    for path, text in texts_in(arguments):
        reason = _unsafe_text(place_of(action, path), path, text)
        if reason:
            yield path, reason


def doubtful_places(action: str, arguments: JsonObject) -> Iterator[Found]:
    """What is allowed, and could be dangerous."""
    yield from _doubtful_command(arguments) if action == "command" else ()
    for path, text in texts_in(arguments):
        if place_of(action, path) is Place.NUMBER and not _is_result(text):
            yield path, "a label decides how many: whoever sends the telemetry does"
    url = arguments.get("url")
    if action == "http" and isinstance(url, str):
        yield from _doubtful_request(url, arguments)


def _unsafe_variables(environment: object) -> Iterator[Found]:
    for name, value in environment.items() if isinstance(environment, dict) else ():
        if not _VARIABLE.fullmatch(str(name)):
            yield ("environment", name), "a variable's name has letters, digits and underscores"
        elif names_in(value) and not _LABEL_VARIABLE.fullmatch(name):
            reason = "a variable that holds a label is named LABEL_... or ALERT_...: others say what programs run, load or ask"
            yield ("environment", name), reason


def _unsafe_text(place: Place, path: Path, text: str) -> str:
    if place is Place.FIXED and not _is_result(text):
        return "a label must not stand here"
    if place is Place.URL and not _UP_TO_HOST.match(text):
        return "a label may stand in the path and in the query of a URL, never in its scheme, user, host or port"
    if place is Place.HEADER and not _LABEL_HEADER.fullmatch(str(path[-1])):
        return (
            "a header that holds a label is named X-Alert-... or X-Label-...: others say where a request goes or who sends it"
        )
    if place is Place.JSON and len(path) == 1:
        return "a label in JSON that is written as a text could change what it says; write it as an object"
    return ""


def _is_result(text: str) -> bool:
    """Whether it is, as a whole, what the step itself found: for its inverse."""
    return re.fullmatch(r"\$(\{%s\w+\}|%s\w+)" % (RESULT, RESULT), text) is not None  # noqa: UP031 - braces


def _doubtful_command(arguments: JsonObject) -> Iterator[Found]:
    command = [str(each) for each in arguments.get("command") or ()]
    environment = arguments.get("environment") or {}
    interpreted = next((index for index, each in enumerate(command) if is_interpreter(each)), None)
    if interpreted is not None and names_in(environment):
        yield (
            ("environment",),
            f'{command[interpreted]} gets labels in variables: its code must quote them ("$$NAME")',
        )
    if not names_in(command):
        return
    yield ("command",), "a program gets a label as an argument: its files and permissions decide what that may do"
    if program := program_by_name(command):
        reason = f"whoever sends the telemetry chooses what {program} acts on; unless the trigger or alerting.safety.targets"
        yield ("command",), f"{reason} names it, it waits for a human"


def _doubtful_request(url: str, arguments: JsonObject) -> Iterator[Found]:
    try:
        parts = urlsplit(url)
        host, user = parts.hostname or "", parts.username
    except ValueError:
        return
    if parts.scheme.lower() == "http" and not is_loopback(host):
        yield ("url",), f"{host} is asked without TLS: others on the way can read the request, and answer it"
    if user is not None:
        yield ("url",), "a user or a password in a URL is on record wherever it is; use headers_file"
    for name in arguments.get("headers") or {}:
        if str(name).lower() in _SECRET_HEADERS:
            yield ("headers", name), "a secret in the playbook is read by whoever reads the file; use headers_file"
