import { Link } from "@tanstack/react-router";
import { useMemo } from "react";

import { milliseconds } from "../../api/client";
import type { IncidentsAnswer, IncidentSummary } from "../../api/numbers";
import { useApi } from "../../api/queries";
import { Badge } from "../../shared/Badge";
import { moment } from "../../shared/format";
import { Answered, EmptyState } from "../../shared/States";
import { Table, type Column } from "../../shared/Table";
import { t } from "./strings";

interface AlertChange {
  _id: string;
  "@timestamp": number;
  fingerprint: string;
  state: string;
  alertname: string;
  annotations?: Record<string, string>;
}

function alertColumns(): Column<AlertChange>[] {
  return [
    { key: "time", header: t("time"), cell: (row) => moment(milliseconds(row["@timestamp"])) },
    { key: "state", header: t("state"), cell: (row) => <Badge tone={row.state === "firing" ? "bad" : "plain"}>{row.state}</Badge> },
    {
      key: "alert",
      header: t("alert"),
      primary: true,
      cell: (row) => (
        <Link to="/alerts/$fingerprint" params={{ fingerprint: row.fingerprint }}>
          {row.alertname}
        </Link>
      ),
    },
    { key: "why", header: t("why"), cell: (row) => row.annotations?.summary ?? "" },
  ];
}

function repairColumns(): Column<IncidentSummary>[] {
  return [
    { key: "time", header: t("time"), cell: (row) => moment(milliseconds(row.opened)) },
    { key: "state", header: t("state"), cell: (row) => <Badge tone={row.open ? "warn" : "plain"}>{row.state}</Badge> },
    {
      key: "playbook",
      header: t("playbook"),
      primary: true,
      cell: (row) => (
        <Link to="/incidents/$incident" params={{ incident: row.id }}>
          {row.playbook}
        </Link>
      ),
    },
    { key: "why", header: t("why"), cell: (row) => row.why },
  ];
}

/** Alerts that name the service, and what playbooks did about it. */
export function Repairs({ name }: { name: string }) {
  const alerts = useApi<AlertChange[]>("/api/v1/find", { kind: "alert", where: `labels.service:${name}`, descending: true, limit: 200 });
  const repairs = useApi<IncidentsAnswer>("/api/v1/incidents", { state: "all" });
  const [alertShown, repairShown] = useMemo(() => [alertColumns(), repairColumns()], []);
  return (
    <>
      <h2>{t("alerts")}</h2>
      <Answered query={alerts}>
        {(found) =>
          found.length === 0 ? (
            <EmptyState title={t("noAlerts")} />
          ) : (
            <Table label={t("alerts")} columns={alertShown} rows={found} rowKey={(row) => row._id} />
          )
        }
      </Answered>
      <h2>{t("repairsOf")}</h2>
      <Answered query={repairs}>
        {({ incidents }) => {
          const own = incidents.filter((incident) => incident.service === name);
          return own.length === 0 ? (
            <EmptyState title={t("noRepairs")} />
          ) : (
            <Table label={t("repairsOf")} columns={repairShown} rows={own} rowKey={(row) => row.id} sortKey="repairs" />
          );
        }}
      </Answered>
    </>
  );
}
