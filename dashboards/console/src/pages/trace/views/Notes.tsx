import type { ReactNode } from "react";
import { milliseconds } from "../../../api/client";
import { count as amount, dateTime, duration, percent } from "../../../shared/format";
import type { TraceAnswer } from "../model/answer";
import { serviceOf } from "../model/trace";
import type { Trace } from "../model/trace";
import { t } from "../strings";

/** When the trace was, and what must be known before its times are believed. */
export function Notes({ answer, trace }: { answer: TraceAnswer; trace: Trace }): ReactNode {
  const document = answer.trace;
  const failed = trace.spans.reduce((sum, span) => sum + (span.failed ? 1 : 0), 0);
  const notes = [
    document === null && t("trace.open"),
    answer.truncated && truncated(answer),
    document && document.completeness < 1 && t("trace.incomplete", { percent: percent(document.completeness), count: document.missing_parents.length, missing: document.missing_parents.length }),
    document?.cut && t("trace.cut"),
    skew(answer),
    document && !trace.pathKnown && t("trace.skew.path"),
  ].filter((note) => typeof note === "string");
  const facts = [
    dateTime(milliseconds(trace.start), true),
    duration(trace.duration),
    document?.environment,
    t("trace.spans", { count: trace.spans.length, text: amount(trace.spans.length) }),
    t("trace.services", { count: trace.services.length, text: amount(trace.services.length) }),
    t("trace.logs", { count: answer.logs.length, text: amount(answer.logs.length) }),
  ];
  return (
    <>
      <p className="quiet">
        {facts.filter(Boolean).join(" · ")}
        {failed > 0 && (
          <>
            {" · "}
            <span className="bad">{t("trace.errors", { count: failed })}</span>
          </>
        )}
      </p>
      {notes.map((note) => (
        <p key={note} className="note">
          {note}
        </p>
      ))}
    </>
  );
}

function truncated({ spans, span_total: total }: TraceAnswer): string {
  const shown = amount(spans.length);
  return total === undefined ? t("trace.truncated.unknown", { shown }) : t("trace.truncated", { shown, total: amount(total) });
}

function skew({ spans }: TraceAnswer): string | null {
  const shifted = spans.filter((span) => span.adjusted?.shift);
  if (shifted.length === 0) return null;
  const most = shifted.reduce((found, span) => Math.max(found, Math.abs(span.adjusted?.shift ?? 0)), 0);
  return t("trace.skew", { services: [...new Set(shifted.map(serviceOf))].join(", "), most: duration(most) });
}
