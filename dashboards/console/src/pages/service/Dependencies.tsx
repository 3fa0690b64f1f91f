import { Link } from "@tanstack/react-router";
import { useMemo } from "react";

import type { Dependency, ServiceAnswer } from "../../api/numbers";
import { duration } from "../../shared/format";
import { EmptyState } from "../../shared/States";
import { Table, type Column } from "../../shared/Table";
import { statColumns } from "./statColumns";
import { t } from "./strings";

function columns(): Column<Dependency>[] {
  return [
    {
      key: "node",
      header: t("node"),
      primary: true,
      sort: (row) => row.node.name,
      cell: (row) =>
        row.node.kind === "service" ? (
          <Link to="/services/$" params={{ _splat: row.node.name }}>
            {row.node.name}
          </Link>
        ) : (
          <>
            {row.node.name} <span className="quiet">{row.node.kind}</span>
          </>
        ),
    },
    ...statColumns<Dependency>(),
    { key: "gap", header: t("gap"), right: true, sort: (row) => row.gap, cell: (row) => duration(row.gap) },
    { key: "self", header: t("self"), right: true, sort: (row) => row.self_time, cell: (row) => duration(row.self_time) },
    {
      key: "exemplars",
      header: t("exemplars"),
      cell: (row) =>
        row.exemplars.slice(0, 3).map((id) => (
          <Link key={id} className="mono" to="/traces/$trace" params={{ trace: id }}>
            {id.slice(0, 8)}{" "}
          </Link>
        )),
    },
  ];
}

/** Who calls it, and whom it calls, with what lies between the two measurements. */
export function Dependencies({ service }: { service: ServiceAnswer }) {
  const shown = useMemo(columns, []);
  const key = (row: Dependency) => `${row.environment}\n${row.node.kind}\n${row.node.name}`;
  return (
    <>
      <h2>{t("upstream")}</h2>
      {service.upstream.length > 0 ? (
        <Table label={t("upstream")} columns={shown} rows={service.upstream} rowKey={key} sortKey="up" />
      ) : (
        <EmptyState title={t("noUpstream")} />
      )}
      <h2>{t("downstream")}</h2>
      {service.downstream.length > 0 ? (
        <Table label={t("downstream")} columns={shown} rows={service.downstream} rowKey={key} sortKey="down" />
      ) : (
        <EmptyState title={t("noDownstream")} />
      )}
    </>
  );
}
