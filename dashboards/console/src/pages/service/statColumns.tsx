import type { Stats } from "../../api/numbers";
import { duration, percent, rate } from "../../shared/format";
import type { Column } from "../../shared/Table";
import { t } from "./strings";

/** Rate, error rate and durations of whatever has them. */
export function statColumns<T extends Stats>(): Column<T>[] {
  return [
    { key: "rate", header: t("requests"), right: true, sort: (row) => row.rate, cell: (row) => rate(row.rate) },
    {
      key: "errors",
      header: t("errorRate"),
      right: true,
      sort: (row) => row.error_rate,
      cell: (row) => <span className={row.failures > 0 ? "failing" : ""}>{percent(row.error_rate)}</span>,
    },
    ...(["p50", "p95", "p99"] as const).map((key) => ({
      key,
      header: key,
      right: true,
      sort: (row: T) => row[key],
      cell: (row: T) => duration(row[key]),
    })),
  ];
}
