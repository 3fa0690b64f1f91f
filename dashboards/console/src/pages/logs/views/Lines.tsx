import type { ReactNode } from "react";
import { count as amount } from "../../../shared/format";
import type { FoundLogs } from "../model/answers";
import { t } from "../strings";
import { LogLine } from "./LogLine";

interface Props {
  found: FoundLogs;
  order: "newest" | "oldest";
  skipped: number;
  onCondition: (condition: string) => void;
  onOrder: (order: "newest" | "oldest") => void;
  onPage: (cursor: string | undefined, skipped: number) => void;
}

/** The records of one page, how many there are in all, and the way to the next page. */
export function Lines({ found, order, skipped, onCondition, onOrder, onPage }: Props): ReactNode {
  const { logs, total, cursor } = found;
  const shown = { first: amount(skipped + 1), last: amount(skipped + logs.length), total: amount(total) };
  return (
    <>
      <div className="logs-bar">
        <strong role="status">{logs.length === 0 ? t("none") : t("shown", shown)}</strong>
        <div role="group" aria-label={t("order")} className="segments">
          {(["newest", "oldest"] as const).map((name) => (
            <button key={name} type="button" aria-pressed={order === name} onClick={() => onOrder(name)}>
              {t(name)}
            </button>
          ))}
        </div>
      </div>
      {logs.length > 0 && (
        <ul className="log-list" aria-label={t("lines")}>
          {logs.map((row) => (
            <LogLine key={row.id} row={row} onCondition={onCondition} />
          ))}
        </ul>
      )}
      <nav className="logs-bar" aria-label={t("pages")}>
        {skipped > 0 && (
          <button type="button" className="button small" onClick={() => onPage(undefined, 0)}>
            {t("page.first")}
          </button>
        )}
        {cursor !== null && (
          <button type="button" className="button small" onClick={() => onPage(cursor, skipped + logs.length)}>
            {t("page.next")}
          </button>
        )}
      </nav>
    </>
  );
}
