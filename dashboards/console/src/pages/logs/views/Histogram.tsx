import { useState } from "react";
import type { PointerEvent, ReactNode } from "react";
import { milliseconds } from "../../../api/client";
import { compact, count as amount, dateTime } from "../../../shared/format";
import { TimeAxis } from "../../../shared/TimeAxis";
import { absolute } from "../../../shell/range";
import { useSetRange } from "../../../shell/useRange";
import type { LogHistogram } from "../model/answers";
import { t } from "../strings";

const HEIGHT = 60;
const SEVERITIES = {
  error: { color: "var(--bad)", name: "legend.error" },
  warn: { color: "var(--warn)", name: "legend.warn" },
  info: { color: "var(--accent)", name: "legend.info" },
  other: { color: "var(--line-strong)", name: "legend.other" },
} as const;

const lookOf = (severity: string) => SEVERITIES[severity as keyof typeof SEVERITIES] ?? SEVERITIES.other;

/** Records over time by severity; a click on a column, or a drag over some, sets the range to it. */
export function Histogram({ data }: { data: LogHistogram }): ReactNode {
  const setRange = useSetRange();
  const [from, setFrom] = useState<number | null>(null);
  const [to, setTo] = useState(0);
  const columns = data.series[0]?.counts.length ?? 0;
  const totals = Array.from({ length: columns }, (_, at) => data.series.reduce((sum, { counts }) => sum + (counts[at] ?? 0), 0));
  const most = Math.max(1, ...totals);
  if (columns === 0) return null;

  const edge = (column: number): number => milliseconds(data.since + column * data.step);
  const zoom = (first: number, last: number): void => {
    if (totals.slice(first, last + 1).some((total) => total > 0)) setRange(absolute(edge(first), edge(last + 1)));
  };
  const columnOf = (event: PointerEvent<HTMLElement>): number => {
    const box = event.currentTarget.getBoundingClientRect();
    const column = Math.floor(((event.clientX - box.left) / Math.max(1, box.width)) * columns);
    return Math.min(columns - 1, Math.max(0, column));
  };
  const picked = (column: number): boolean => from !== null && column >= Math.min(from, to) && column <= Math.max(from, to);

  return (
    <div className="log-histogram">
      <div className="log-counts" aria-hidden="true">
        <span>{compact(most)}</span>
        <span>0</span>
      </div>
      <div
        className="log-columns"
        role="group"
        aria-label={t("histogram")}
        style={{ height: HEIGHT }}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          setFrom(columnOf(event));
          setTo(columnOf(event));
        }}
        onPointerMove={(event) => from !== null && setTo(columnOf(event))}
        onPointerUp={(event) => {
          if (from !== null) zoom(Math.min(from, columnOf(event)), Math.max(from, columnOf(event)));
          setFrom(null);
        }}
        onPointerCancel={() => setFrom(null)}
      >
        {totals.map((total, at) => {
          const said = t("histogram.column", { number: amount(total), since: dateTime(edge(at)), until: dateTime(edge(at + 1)) });
          return (
            <button
              key={at}
              type="button"
              className={picked(at) ? "picked" : ""}
              disabled={total === 0}
              aria-label={said}
              title={said}
              // A pointer's click has been a drag over one column already.
              onClick={(event) => event.detail === 0 && zoom(at, at)}
            >
              {data.series.map(({ severity, counts }) => (
                <span key={severity} style={{ height: `${((counts[at] ?? 0) / most) * 100}%`, background: lookOf(severity).color }} />
              ))}
            </button>
          );
        })}
      </div>
      <TimeAxis since={edge(0)} until={edge(columns)} />
      <p className="log-legend">
        {data.series
          .filter(({ counts }) => counts.some((count) => count > 0))
          .map(({ severity }) => (
            <span key={severity}>
              <i style={{ background: lookOf(severity).color }} aria-hidden="true" /> {t(lookOf(severity).name)}
            </span>
          ))}
      </p>
    </div>
  );
}
