import { Link } from "@tanstack/react-router";
import { useMemo } from "react";

import { milliseconds } from "../../api/client";
import type { Service } from "../../api/numbers";
import { now } from "../../shell/serverClock";
import { Badge } from "../Badge";
import { ago, duration, percent, rate, UNKNOWN } from "../format";
import { Table, type Column } from "../Table";
import { Sparkline } from "./Sparkline";
import { t } from "./strings";
import "./red.css";

/** From here on an anomaly is one that a person should look at. */
export const UNUSUAL = 0.9;

function columns(several: boolean): Column<Service>[] {
  return [
    {
      key: "service",
      header: t("service"),
      primary: true,
      sort: (row) => row.name,
      cell: (row) => (
        <Link to="/services/$" params={{ _splat: row.name }} search={several ? { env: row.environment } : {}}>
          {row.name}
        </Link>
      ),
    },
    ...(several ? [{ key: "environment", header: t("environment"), sort: (row: Service) => row.environment, cell: (row: Service) => row.environment }] : []),
    {
      key: "score",
      header: t("score"),
      right: true,
      sort: (row) => row.anomaly,
      cell: (row) =>
        row.anomaly > 0 ? <Badge tone={row.anomaly >= UNUSUAL ? "bad" : "warn"}>{row.anomaly.toFixed(2)}</Badge> : <span className="quiet">{t("usual")}</span>,
    },
    { key: "trend", header: t("trend"), cell: (row) => <Sparkline {...row.sparkline} /> },
    {
      key: "rate",
      header: t("rate"),
      right: true,
      sort: (row) => row.rate,
      cell: (row) => (row.calls === 0 && row.spans > 0 ? <span className="quiet">{t("onlyInternal")}</span> : rate(row.rate)),
    },
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
      minor: key === "p50",
      sort: (row: Service) => row[key],
      cell: (row: Service) => duration(row[key]),
    })),
    { key: "instances", minor: true, header: t("instances"), right: true, sort: (row) => row.instances, cell: (row) => row.instances ?? UNKNOWN },
    { key: "version", minor: true, header: t("version"), cell: (row) => row.versions.slice(0, 3).join(", ") || UNKNOWN },
    {
      key: "seen",
      header: t("lastSeen"),
      right: true,
      sort: (row) => row.last_seen,
      cell: (row) => (row.last_seen === null ? UNKNOWN : ago(milliseconds(row.last_seen), now())),
    },
  ];
}

/** Services with rate, errors and duration; without a chosen order the most unusual first, as they come. */
export function ServiceTable({ services }: { services: Service[] }) {
  const several = new Set(services.map((service) => service.environment)).size > 1;
  const shown = useMemo(() => columns(several), [several]);
  return (
    <Table
      label={t("services")}
      columns={shown}
      rows={services}
      rowKey={(row) => `${row.environment}\n${row.name}`}
      rowClass={(row) => (row.anomaly >= UNUSUAL ? "service-unusual" : row.anomaly > 0 ? "service-odd" : "")}
    />
  );
}
