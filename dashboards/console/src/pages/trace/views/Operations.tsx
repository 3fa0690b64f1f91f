import { useMemo, useState } from "react";
import type { ReactNode } from "react";
import { count as amount, duration, percent } from "../../../shared/format";
import { byOperation } from "../model/operations";
import type { OperationRow } from "../model/operations";
import type { Trace } from "../model/trace";
import { t } from "../strings";

interface Props {
  trace: Trace;
  colors: ReadonlyMap<string, string>;
  picked: string;
  onPick: (id: string) => void;
}

type Key = "name" | "count" | "errors" | "self" | "total" | "average" | "most" | "usual" | "critical";

const COLUMNS: readonly Key[] = ["name", "count", "errors", "self", "total", "average", "most", "usual", "critical"];

/** Spans grouped by operation. */
export function Operations({ trace, colors, picked, onPick }: Props): ReactNode {
  const rows = useMemo(() => byOperation(trace), [trace]);
  const [sort, setSort] = useState<{ by: Key; down: boolean }>({ by: "self", down: true });
  const sorted = useMemo(() => [...rows].sort((a, b) => compare(a, b, sort.by) * (sort.down ? -1 : 1)), [rows, sort]);
  const whole = Math.max(1, trace.duration);
  return (
    <div className="table-box" role="region" aria-label={t("trace.operations")} tabIndex={0}>
      <table className="operations">
        <thead>
          <tr>
            {COLUMNS.map((key) => (
              <th key={key} aria-sort={sort.by === key ? (sort.down ? "descending" : "ascending") : "none"} className={key === "name" ? "" : "number"}>
                <button type="button" onClick={() => setSort({ by: key, down: sort.by === key ? !sort.down : key !== "name" })}>
                  {t(`trace.operations.${key}`)}
                </button>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {sorted.map((row) => (
            <tr key={row.key} className={row.longest === picked ? "picked" : ""}>
              <th scope="row">
                <button type="button" className="link" onClick={() => onPick(row.longest)}>
                  <span className="dot" style={{ background: colors.get(row.service) }} /> <b>{row.service}</b> {row.name}
                </button>
              </th>
              <td data-label={t("trace.operations.count")}>{amount(row.count)}</td>
              <td data-label={t("trace.operations.errors")} className={row.errors ? "bad" : "quiet"}>
                {amount(row.errors)}
              </td>
              <td data-label={t("trace.operations.self")}>{duration(row.self)}</td>
              <td data-label={t("trace.operations.total")}>{duration(row.total)}</td>
              <td data-label={t("trace.operations.average")}>{duration(row.total / row.count)}</td>
              <td data-label={t("trace.operations.most")}>{duration(row.most)}</td>
              <td data-label={t("trace.operations.usual")}>{row.usual === null ? "–" : duration(row.usual)}</td>
              <td data-label={t("trace.operations.critical")}>{trace.pathKnown ? `${duration(row.critical)} (${percent(row.critical / whole)})` : "–"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function compare(a: OperationRow, b: OperationRow, by: Key): number {
  if (by === "name") return `${a.service} ${a.name}` < `${b.service} ${b.name}` ? -1 : 1;
  if (by === "average") return a.total / a.count - b.total / b.count;
  return (a[by] ?? -1) - (b[by] ?? -1);
}
