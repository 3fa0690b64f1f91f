import { Link } from "@tanstack/react-router";
import { useMemo } from "react";

import { milliseconds } from "../../api/client";
import type { AlertChange, AlertChangesAnswer, IncidentsAnswer, IncidentSummary } from "../../api/numbers";
import { useApi } from "../../api/queries";
import { said } from "../../i18n/sentences";
import { Badge } from "../../shared/Badge";
import { moment } from "../../shared/format";
import { Answered, EmptyState } from "../../shared/States";
import { Table, type Column } from "../../shared/Table";
import { t as alertText } from "../alerts/strings";
import { STATE_TONES } from "../incidents/model";
import { t as incidentsText } from "../incidents/strings";
import { t } from "./strings";

function alertColumns(): Column<AlertChange>[] {
  return [
    { key: "time", header: t("time"), cell: (row) => moment(milliseconds(row.time)) },
    { key: "state", header: t("state"), cell: (row) => <Badge tone={row.state === "firing" ? "bad" : "plain"}>{alertText(row.state)}</Badge> },
    {
      key: "alert",
      header: t("alert"),
      primary: true,
      cell: (row) => (
        <Link to="/alerts/$fingerprint" params={{ fingerprint: row.fingerprint }}>
          {row.labels["alertname"]}
        </Link>
      ),
    },
    { key: "why", header: t("why"), cell: (row) => row.annotations?.summary ?? "" },
  ];
}

function repairColumns(): Column<IncidentSummary>[] {
  return [
    { key: "time", header: t("time"), cell: (row) => moment(milliseconds(row.opened)) },
    { key: "state", header: t("state"), cell: (row) => <Badge tone={STATE_TONES[row.state]}>{incidentsText(row.state)}</Badge> },
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
    { key: "why", header: t("why"), cell: (row) => said(row.why, row.why_parts) },
  ];
}

/** Alerts that name the service, and what playbooks did about it. */
export function Repairs({ name }: { name: string }) {
  const alerts = useApi<AlertChangesAnswer>("/api/v1/alerts", { service: name, limit: 200 });
  const repairs = useApi<IncidentsAnswer>("/api/v1/incidents", { state: "all" });
  const [alertShown, repairShown] = useMemo(() => [alertColumns(), repairColumns()], []);
  return (
    <>
      <h2>{t("alerts")}</h2>
      <Answered query={alerts}>
        {({ alerts: found, total }) =>
          found.length === 0 ? (
            <EmptyState title={t("noAlerts")} />
          ) : (
            <Table label={t("alerts")} columns={alertShown} rows={found} rowKey={(row) => row.id} total={total} />
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
