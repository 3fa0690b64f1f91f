"""`spanloom explain`: why each span of a trace did or did not make an edge."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click
import httpx2
from rich.console import Console
from rich.text import Text

from collectors.replay.files import OtlpFile
from processors.call_graph import call_graph
from processors.call_graph.adjusted_times import AdjustedSpan, adjusted
from processors.call_graph.clock_skew import ClockSkew
from processors.call_graph.explain import explain as explanations
from processors.call_graph.span_links import link_queries_of, link_target, link_targets_of, message_from
from processors.call_graph.span_tree import preferred
from spanloom.access.local_token import authorization
from spanloom.commands.running import url_option
from spanloom.commands.terminal import printable
from telemetry import otlp
from telemetry.documents.read_back import hop_from_body, span_from_body
from telemetry.environment import DEFAULT_ENVIRONMENT
from telemetry.errors import SpanloomError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from processors.call_graph.explain import Explanation
    from telemetry.span_links import LinkTarget, SpanReference
    from telemetry.spans import Span

    Times = Mapping[bytes, AdjustedSpan]

_TRACE_ID = re.compile("[0-9a-f]{32}")
INDENT, BRANCH = "   ", "└─ "
DEEPEST = 20
"""Levels that are drawn by indentation."""

_MILLISECOND = 1_000_000


class TraceNotFoundError(SpanloomError):
    """Nobody has a span of the trace."""


@click.command()
@click.argument("trace_id")
@url_option
@click.option(
    "--from",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path),
    help="Read the spans of a file of OTLP-JSON lines instead; may be given more than once.",
)
@click.option("--environment", default="", help="Only spans of this environment; `default` is telemetry that names none.")
@click.option("--json", "as_json", is_flag=True, help="Print a list of explanations as JSON.")
def explain(
    trace_id: str,
    url: str,
    files: tuple[Path, ...],
    environment: str,
    as_json: bool,  # noqa: FBT001 - click passes flags so
) -> None:
    """Explain how the spans of TRACE_ID (32 hex digits) became edges of the service map, or why not.

    Durations are as recorded. `clock +3.1 ms ± 0.2 ms` says that its host's clock is so much behind the root's.
    """
    trace_id = trace_id.lower()
    if not _TRACE_ID.fullmatch(trace_id):
        raise click.BadParameter(f"{trace_id!r} is not 32 hex digits", param_hint="TRACE_ID")
    spans, link_targets, times = read(files, bytes.fromhex(trace_id)) if files else ask(url, trace_id)
    if not spans:
        where = ", ".join(map(str, files)) if files else url
        raise TraceNotFoundError(f"{where}: no span of trace {trace_id}; is the id right, and has the trace been stored?")
    found = [item for item in explanations(spans, link_targets) if environment in {"", item.environment}]
    if not found:
        there = ", ".join(sorted({span.resource.environment for span in spans}))
        raise TraceNotFoundError(f"trace {trace_id} has no span in environment {environment!r}; it has some in {there}")
    if as_json:
        click.echo(json.dumps([_plain(item, times[item.span_id]) for item in found], indent=2))
    else:
        console = Console(highlight=False, soft_wrap=True)  # the terminal may wrap; nothing is cut, and a pipe gets whole lines
        for item in found:
            console.print(describe(item, times[item.span_id]))


def ask(url: str, trace_id: str) -> tuple[list[Span], list[LinkTarget], Times]:
    """The spans that a running console knows of a trace, who sent it messages, and the times by the root's clock.

    Raises:
        SpanloomError: it does not answer, or not as a console does.
    """
    address = f"{url.rstrip('/')}/api/v1/traces/{trace_id}"
    try:
        answer = httpx2.get(address, headers=authorization(url), timeout=30, trust_env=False)
        if answer.status_code == httpx2.codes.NOT_FOUND:
            return [], [], {}
        answer.raise_for_status()
        describe = answer.json()
        read = [(span_from_body(body), body["adjusted"]["shift"], body["adjusted"]["error"]) for body in describe["spans"]]
        link_targets = link_targets_of(map(hop_from_body, describe["hops"]))
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, KeyError, TypeError) as error:
        raise SpanloomError(
            f"{address}: {error}; start `spanloom up`, name its console with --url, or read a file with --from"
        ) from error
    times = {span.span_id: AdjustedSpan(span.span_id, span.start, span.end, shift, error) for span, shift, error in read}
    return [span for span, _, _ in read], list(link_targets.values()), times


def read(files: Sequence[Path], trace_id: bytes) -> tuple[list[Span], list[LinkTarget], Times]:
    """The spans of a trace in files, copies included, who sent it messages, and the times as far as its own calls show.

    Raises:
        InputError: a line that cannot be read; names file and line.
    """
    spans = [span for span in _spans(files, {trace_id}) if span.trace_id == trace_id]
    link_queries = {item.message: item for span in spans for item in link_queries_of(span)}
    senders: dict[SpanReference, Span] = {}
    for span in _spans(files, {message.trace_id for message in link_queries}):
        message = message_from(span)
        if message in link_queries:
            senders[message] = preferred(senders.get(message, span), span)
    skew = ClockSkew()
    for hop in call_graph(spans).hops if spans else ():
        skew.add(hop, hop.start)
    link_targets = [link_target(link_queries[message], sender) for message, sender in senders.items()]
    return spans, link_targets, {item.span_id: item for item in adjusted(spans, skew.estimate)}


def _spans(files: Sequence[Path], trace_ids: set[bytes]) -> Iterator[Span]:
    """The spans of the requests that name one of these traces."""
    for path in files if trace_ids else ():
        for signal, request, _line in OtlpFile(path):
            if signal == "spans" and any(trace_id in request for trace_id in trace_ids):
                yield from otlp.decode_spans(request)


def describe(item: Explanation, times: AdjustedSpan) -> Text:
    """A span and what the rules decided for it: two lines, indented by its depth up to `DEEPEST`, and a number beyond."""
    level = min(item.depth, DEEPEST)
    indent = INDENT * level
    line = Text.assemble(
        INDENT * (level - 1) + BRANCH if level else "",
        (f"level {item.depth} ", "dim") if item.depth > DEEPEST else "",
        (printable(item.service), "bold"),
        (f" in {printable(item.environment)}" if item.environment != DEFAULT_ENVIRONMENT else "", "dim"),
        f" {printable(item.operation)} ",
        (f"{item.kind.name.lower()} {item.span_id.hex()} {(item.end - item.start) / _MILLISECOND:.3f} ms", "dim"),
    )
    if times.shift:
        error = (times.error or 0) / _MILLISECOND
        line.append(f" clock {times.shift / _MILLISECOND:+.3f} ms ± {error:.3f} ms", "yellow")
    if item.copies > 1:
        line.append(f" x{item.copies}", "yellow")
    mark, colour = ("edge", "green") if item.hops else ("no edge", "yellow")
    line.append(f"\n{indent}")
    line.append(f"{mark}: ", colour)
    line.append(item.why)
    if item.parent_missing:
        line.append(f" (parent {item.parent_span_id.hex()} was not seen)", "red")
    return line


def _plain(item: Explanation, times: AdjustedSpan) -> dict[str, object]:
    return {
        "span_id": item.span_id.hex(),
        "parent_span_id": item.parent_span_id.hex(),
        "parent_missing": item.parent_missing,
        "depth": item.depth,
        "service": item.service,
        "environment": item.environment,
        "operation": item.operation,
        "kind": item.kind.name.lower(),
        "start": item.start,
        "end": item.end,
        "adjusted": {"start": times.adjusted_start, "shift": times.shift, "error": times.error},
        "copies": item.copies,
        "rules": [rule.name.lower() for rule in item.rules],
        "why": item.why,
        "hops": [hop.hex() for hop in item.hops],
    }
