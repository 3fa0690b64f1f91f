import { useMemo } from "react";

import { useApi } from "../../api/queries";
import { Badge } from "../../shared/Badge";
import { percent, UNKNOWN } from "../../shared/format";
import { Answered, EmptyState } from "../../shared/States";
import { Table, type Column } from "../../shared/Table";
import { useShellState } from "../../shell/useRange";
import { rowsOf, sloQuery, type SloRow, type VectorAnswer } from "./slos";
import { t } from "./strings";

function columns(): Column<SloRow>[] {
  return [
    { key: "slo", header: t("slo"), primary: true, cell: (row) => row.name },
    { key: "objective", header: t("objective"), cell: (row) => `${percent(row.objective)}${row.days === null ? "" : ` / ${row.days} d`}` },
    { key: "failed", header: t("failedShare"), cell: (row) => percent(row.failed) },
    {
      key: "left",
      header: t("budgetLeft"),
      cell: (row) => (row.left === null ? UNKNOWN : <Badge tone={row.left <= 0 ? "bad" : row.left < 0.25 ? "warn" : "plain"}>{percent(row.left)}</Badge>),
    },
    { key: "burn", header: t("burnRate"), cell: (row) => (row.burn === null ? UNKNOWN : `${row.burn.toFixed(1)}×`) },
  ];
}

/** Objectives that name the service, with the error budget that is left, as of now. */
export function Slos({ name }: { name: string }) {
  const { environment } = useShellState();
  const query = useApi<VectorAnswer>("/prometheus/api/v1/query", { query: sloQuery(name), environment }, { ranged: false });
  const shown = useMemo(() => columns(), []);
  return (
    <Answered query={query}>
      {({ data }) => {
        const rows = rowsOf(data.result);
        return rows.length === 0 ? (
          <EmptyState title={t("noSlos")}>
            <p>{t("noSlosText")}</p>
          </EmptyState>
        ) : (
          <Table label={t("slos")} columns={shown} rows={rows} rowKey={(row) => `${row.name} ${row.objective}`} />
        );
      }}
    </Answered>
  );
}
