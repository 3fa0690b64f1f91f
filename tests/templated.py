"""Log records as the search for culprits gets them: with the templates that stage 3 mines of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processors.detectors.log_templates import LogTemplates
from processors.root_cause.sampled_trace import TemplatedLine

if TYPE_CHECKING:
    from collections.abc import Iterable

    from telemetry.logs import LogRecord


def templated(records: Iterable[LogRecord], templates: LogTemplates | None = None) -> list[TemplatedLine]:
    """The lines in traces, each quoted as its template is after all of them."""
    templates = templates or LogTemplates()
    mined = [(record, templates.add(record.service, str(record.body))) for record in records]
    return [
        TemplatedLine(
            record.resource.environment,
            record.trace_id,
            record.span_id,
            template,
            templates.quoted(template),
            record.time,
            record.severity,
        )
        for record, template in mined
        if record.trace_id
    ]
