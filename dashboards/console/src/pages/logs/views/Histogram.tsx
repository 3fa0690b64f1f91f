import type { ReactNode } from "react";
import { milliseconds } from "../../../api/client";
import { count as amount, dateTime } from "../../../shared/format";
import { absolute } from "../../../shell/range";
import { useSetRange } from "../../../shell/useRange";
import type { LogHistogram } from "../model/answers";
import { t } from "../strings";

const HEIGHT = 60;
const COLORS: Record<string, string> = { error: "var(--bad)", warn: "var(--warn)", info: "var(--accent)" };

/** Records over time by severity; a click on a column sets the range to it. */
export function Histogram({ data }: { data: LogHistogram }): ReactNode {
  const setRange = useSetRange();
  const columns = data.series[0]?.counts.length ?? 0;
  const totals = Array.from({ length: columns }, (_, at) => data.series.reduce((sum, { counts }) => sum + (counts[at] ?? 0), 0));
  const most = Math.max(1, ...totals);
  if (columns === 0) return null;
  return (
    <div className="log-histogram" role="group" aria-label={t("histogram")} style={{ height: HEIGHT }}>
      {totals.map((total, at) => {
        const since = milliseconds(data.since + at * data.step);
        const until = milliseconds(data.since + (at + 1) * data.step);
        return (
          <button
            key={at}
            type="button"
            disabled={total === 0}
            aria-label={t("histogram.column", { number: amount(total), since: dateTime(since), until: dateTime(until) })}
            title={t("histogram.column", { number: amount(total), since: dateTime(since), until: dateTime(until) })}
            onClick={() => setRange(absolute(since, until))}
          >
            {data.series.map(({ severity, counts }) => (
              <span key={severity} style={{ height: `${((counts[at] ?? 0) / most) * 100}%`, background: COLORS[severity] ?? "var(--line-strong)" }} />
            ))}
          </button>
        );
      })}
    </div>
  );
}
