import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { milliseconds } from "../../../api/client";
import { count as amount, dateTime, duration } from "../../../shared/format";
import { traceAnomalyText } from "../../../shared/red/anomalyText";
import { UNUSUAL } from "../../../shared/red/ServiceTable";
import type { Found, TraceRow } from "../model/answers";
import { t } from "../strings";

interface Props {
  found: Found;
  /** Why these are old; empty where they are not. */
  trouble: string;
  old: boolean;
  order: "newest" | "slowest";
  skipped: number;
  chosen: readonly string[];
  onChoose: (id: string) => void;
  onOrder: (order: "newest" | "slowest") => void;
  onPage: (cursor: string | undefined, skipped: number) => void;
}

/** The traces of one page, how many there are in all, and the way to the next page. */
export function TraceTable({ found, trouble, old, order, skipped, chosen, onChoose, onOrder, onPage }: Props): ReactNode {
  const { traces, total, total_exact: exact, cursor } = found;
  const longest = traces.reduce((most, row) => Math.max(most, row.duration), 1);
  const shown = { first: amount(skipped + 1), last: amount(skipped + traces.length), total: amount(total) };
  return (
    <div className={old ? "old" : ""} aria-busy={old && trouble === ""}>
      {trouble && (
        <p role="alert" className="trouble">
          {trouble}
        </p>
      )}
      <div className="traces-bar">
        <strong role="status">{traces.length === 0 ? t("none") : t(exact ? "shown" : "shown.least", shown)}</strong>
        <div role="group" aria-label={t("order")} className="segments">
          {(["newest", "slowest"] as const).map((name) => (
            <button key={name} type="button" aria-pressed={order === name} onClick={() => onOrder(name)}>
              {t(name)}
            </button>
          ))}
        </div>
      </div>
      {traces.length > 0 && (
        <div className="table-box" role="region" aria-label={t("found")} tabIndex={0}>
          <table className="traces-table">
            <thead>
              <tr>
                <th>
                  <span className="hidden">{t("compare.choose")}</span>
                </th>
                <th>{t("column.root")}</th>
                <th className="number">{t("column.duration")}</th>
                <th className="number">{t("column.spans")}</th>
                <th className="number">{t("column.errors")}</th>
                <th>{t("column.services")}</th>
                <th>{t("column.start")}</th>
              </tr>
            </thead>
            <tbody>
              {traces.map((row) => (
                <Row key={row.trace_id} row={row} longest={longest} chosen={chosen.includes(row.trace_id)} onChoose={onChoose} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      <nav className="traces-bar" aria-label={t("pages")}>
        {skipped > 0 && (
          <button type="button" className="button small" onClick={() => onPage(undefined, 0)}>
            {t("page.first")}
          </button>
        )}
        {cursor !== null && (
          <button type="button" className="button small" onClick={() => onPage(cursor, skipped + traces.length)}>
            {t("page.next")}
          </button>
        )}
      </nav>
    </div>
  );
}

/** That the trace as a whole is unusual, and how much; why is for the pointer and for those who hear it. */
function Unusual({ score, why, why_parts: parts }: NonNullable<TraceRow["anomaly"]>): ReactNode {
  const reason = traceAnomalyText(why, parts);
  return (
    <span className={score >= UNUSUAL ? "tag bad" : "tag warn"} title={reason}>
      {t("unusual", { score: score.toFixed(2) })}
      <span className="hidden">: {reason}</span>
    </span>
  );
}

function Row({ row, longest, chosen, onChoose }: { row: TraceRow; longest: number; chosen: boolean; onChoose: (id: string) => void }): ReactNode {
  const name = row.root ? `${row.root.service} ${row.root.operation}`.trim() : t("root.missing");
  return (
    <tr>
      <td>
        <input type="checkbox" checked={chosen} aria-label={t("compare.with", { name, id: row.trace_id })} onChange={() => onChoose(row.trace_id)} />
      </td>
      <th scope="row">
        <Link to="/traces/$trace" params={{ trace: row.trace_id }}>
          {row.root ? (
            <>
              <b>{row.root.service}</b> {row.root.operation}
            </>
          ) : (
            t("root.missing")
          )}
        </Link>{" "}
        <code className="quiet">{row.trace_id.slice(0, 8)}</code>
        {row.open && <span className="tag">{t("open")}</span>}
        {row.anomaly && <Unusual {...row.anomaly} />}
        {!row.open && row.completeness < 1 && <span className="tag warn">{t("incomplete")}</span>}
      </th>
      <td className="number" data-label={t("column.duration")}>
        <span className="amount-bar" style={{ width: `${(row.duration / longest) * 60}px` }} /> {duration(row.duration)}
      </td>
      <td className="number" data-label={t("column.spans")}>
        {amount(row.span_count)}
      </td>
      <td className={row.errors ? "number bad" : "number quiet"} data-label={t("column.errors")}>
        {amount(row.errors)}
      </td>
      <td data-label={t("column.services")} title={row.services.join(", ")}>
        {amount(row.services.length)}
      </td>
      <td data-label={t("column.start")}>{dateTime(milliseconds(row.start), true)}</td>
    </tr>
  );
}
