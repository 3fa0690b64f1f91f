import { Link } from "@tanstack/react-router";
import { useMemo } from "react";

import type { Operation, ServiceAnswer } from "../../api/numbers";
import { duration } from "../../shared/format";
import { EmptyState } from "../../shared/States";
import { Table, type Column } from "../../shared/Table";
import { ofOperation } from "./query";
import { statColumns } from "./statColumns";
import { t } from "./strings";

/** What it is asked for, and where the time goes. */
export function Operations({ service }: { service: ServiceAnswer }) {
  const columns = useMemo(
    (): Column<Operation>[] => [
      {
        key: "operation",
        header: t("operation"),
        primary: true,
        sort: (row) => row.operation,
        cell: (row) => (
          <Link to="/traces" search={{ q: ofOperation(service.name, row.operation) }}>
            {row.operation || "—"}
          </Link>
        ),
      },
      { key: "protocol", header: t("protocol"), sort: (row) => row.protocol, cell: (row) => row.protocol },
      ...statColumns<Operation>(),
      { key: "critical", header: t("critical"), right: true, sort: (row) => row.critical_path_time, cell: (row) => duration(row.critical_path_time) },
      { key: "self", header: t("self"), right: true, sort: (row) => row.self_time, cell: (row) => duration(row.self_time) },
    ],
    [service.name],
  );
  if (service.operations.length === 0) return <EmptyState title={t("noOperations")} />;
  return <Table label={t("operations")} columns={columns} rows={service.operations} total={service.operations_total} rowKey={(row) => `${row.protocol}\n${row.operation}`} />;
}
