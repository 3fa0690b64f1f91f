import { useMemo } from "react";

import { milliseconds } from "../../api/client";
import type { Instance, ServiceAnswer, Version } from "../../api/numbers";
import { ago, count, moment, UNKNOWN } from "../../shared/format";
import { EmptyState } from "../../shared/States";
import { Table, type Column } from "../../shared/Table";
import { now } from "../../shell/serverClock";
import { t } from "./strings";

function instanceColumns(): Column<Instance>[] {
  return [
    { key: "instance", header: t("instance"), primary: true, sort: (row) => row.name, cell: (row) => row.name || UNKNOWN },
    { key: "version", header: t("version"), sort: (row) => row.version, cell: (row) => row.version || UNKNOWN },
    { key: "spans", header: t("spans"), right: true, sort: (row) => row.spans, cell: (row) => count(row.spans) },
    {
      key: "errors",
      header: t("errorSpans"),
      right: true,
      sort: (row) => row.error_spans,
      cell: (row) => <span className={row.error_spans > 0 ? "failing" : ""}>{count(row.error_spans)}</span>,
    },
    { key: "seen", header: t("seen"), right: true, sort: (row) => row.last_seen, cell: (row) => ago(milliseconds(row.last_seen), now()) },
  ];
}

function versionColumns(): Column<Version>[] {
  return [
    { key: "version", header: t("version"), primary: true, sort: (row) => row.version, cell: (row) => row.version || UNKNOWN },
    { key: "spans", header: t("spans"), right: true, sort: (row) => row.spans, cell: (row) => count(row.spans) },
    { key: "first", header: t("firstSeen"), right: true, sort: (row) => row.first_seen, cell: (row) => moment(milliseconds(row.first_seen)) },
    { key: "last", header: t("seen"), right: true, sort: (row) => row.last_seen, cell: (row) => ago(milliseconds(row.last_seen), now()) },
  ];
}

/** Which instances ran, and which versions. */
export function Instances({ service }: { service: ServiceAnswer }) {
  const [instances, versions] = useMemo(() => [instanceColumns(), versionColumns()], []);
  return (
    <>
      {service.instances.length > 0 ? (
        <Table label={t("instances")} columns={instances} rows={service.instances} total={service.instances_total} rowKey={(row) => `${row.name}\n${row.version}`} />
      ) : (
        <EmptyState title={t("noInstances")} />
      )}
      {service.versions.length > 0 && (
        <>
          <h2>{t("versions")}</h2>
          <Table label={t("versions")} columns={versions} rows={service.versions} rowKey={(row) => row.version} sortKey="versions" />
        </>
      )}
    </>
  );
}
