import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { ReactNode } from "react";
import { milliseconds } from "../../../api/client";
import { dateTime } from "../../../shared/format";
import { conditionFor } from "../../../shared/query/query";
import { toneOf } from "../model/answers";
import type { LogRow } from "../model/answers";
import { t } from "../strings";

interface Props {
  row: LogRow;
  onCondition: (condition: string) => void;
}

/** One record; opened, it has its attributes, of which each narrows the search. */
export function LogLine({ row, onCondition }: Props): ReactNode {
  const [open, setOpen] = useState(false);
  const tone = toneOf(row.severity_number);
  return (
    <li className={`log-line ${tone}`}>
      <div className="log-head">
        <button type="button" className="log-open" aria-expanded={open} aria-label={t("line.details", { time: dateTime(milliseconds(row.time), true) })} onClick={() => setOpen(!open)}>
          {open ? "▾" : "▸"}
        </button>
        <span className="quiet">{dateTime(milliseconds(row.time), true)}</span>
        <span className={`tag ${tone}`}>{row.severity || t("severity.unset")}</span>
        <button type="button" className="link" onClick={() => onCondition(`service=${JSON.stringify(row.service)}`)}>
          {row.service}
        </button>
        <span className="log-text mono">{row.text}</span>
        {row.trace_id && (
          <Link to="/traces/$trace" params={{ trace: row.trace_id }} search={{ span: row.span_id ?? "" } as never}>
            {t("line.trace")}
          </Link>
        )}
      </div>
      {open && (
        <dl className="log-facts">
          <Facts values={row.attributes} onCondition={onCondition} />
          <Facts values={row.resource} onCondition={onCondition} />
          {row.trace_id && <Facts values={{ trace_id: row.trace_id, span_id: row.span_id }} onCondition={onCondition} />}
        </dl>
      )}
    </li>
  );
}

function Facts({ values, onCondition }: { values: Record<string, unknown>; onCondition: (condition: string) => void }): ReactNode {
  return Object.keys(values)
    .sort()
    .map((name) => {
      const value = values[name];
      if (value === null || value === undefined) return null;
      const text = typeof value === "string" ? value : JSON.stringify(value);
      const condition = conditionFor(name, value);
      return (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            {condition ? (
              <button type="button" className="link mono" title={condition} onClick={() => onCondition(condition)}>
                {text}
              </button>
            ) : (
              <span className="mono">{text}</span>
            )}
          </dd>
        </div>
      );
    });
}
