"""Whether telemetry chooses what a repair acts on: any unit of a machine or container of an engine, not one that was named."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from alerting.playbooks.command_labels import program_by_name
from alerting.playbooks.model.plan import Inverse
from alerting.promql.matchers import MatchType
from alerting.variables import RESULT, names_in, render
from telemetry.sentences.wording import Wording

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from alerting.playbooks.model.plan import Playbook
    from alerting.promql.matchers import Matcher

_ALTERNATIVES = re.compile(r"\(?([\w/:@-]|\\\.)+(\|([\w/:@-]|\\\.)+)*\)?")
"""A pattern that a few values meet, each of which stands in it."""


def chosen_by_telemetry(playbook: Playbook, labels: Mapping[str, str], allowed: Collection[str]) -> str:
    """Why a human must see what the playbook would act on; empty where its trigger or an admin names that.

    Args:
        playbook: that answers.
        labels: of the alert or anomaly.
        allowed: names of units, containers, pods and the like that an admin allows.
    """
    named = {each.name for each in (*playbook.trigger.alert, *playbook.trigger.anomaly) if _names_values(each)}
    for what, text in _targets(playbook):
        results = {name for name in names_in(text) if name.startswith(RESULT)}  # of the step itself, for its inverse
        if names_in(text) <= named | results:
            continue
        value = str(render(text, {**dict.fromkeys(results, ""), **labels}))
        if value not in allowed:
            return Wording.CHOSEN_BY_TELEMETRY(what=what, value=value[:255])
    return ""


def _names_values(matcher: Matcher) -> bool:
    if matcher.type is MatchType.EQUAL:
        return bool(matcher.value)
    return matcher.type is MatchType.REGEX and _ALTERNATIVES.fullmatch(matcher.value) is not None


def _targets(playbook: Playbook) -> Iterator[tuple[str, str]]:
    """What each step acts through, and the text over labels that says on what."""
    for step in playbook.steps:
        for action, arguments in (
            (step.action, step.arguments),
            (step.inverse.action, step.inverse.arguments) if isinstance(step.inverse, Inverse) else ("", {}),
        ):
            if action == "command":
                words = arguments.get("command")
                command = [str(each) for each in words] if isinstance(words, list | tuple) else []
                if program := program_by_name(command):
                    yield from ((program, word) for word in command if names_in(word))
            elif arguments.get("via") == "docker" and names_in(arguments.get("name")):
                yield "docker", str(arguments["name"])
