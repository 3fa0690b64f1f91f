import { Link } from "@tanstack/react-router";

import { useApi } from "../../api/queries";
import { Badge, type Tone } from "../../shared/Badge";
import { ago, count, dateTime, UNKNOWN } from "../../shared/format";
import { Answered, EmptyState } from "../../shared/States";
import { Table, type Column } from "../../shared/Table";
import type { GettableAlert, Notification } from "./model";
import { aboutOf, outcomeOf, timeOf, whyOf } from "./notice";
import { t } from "./strings";

const TONES: Record<"delivered" | "failed" | "suppressed", Tone> = { delivered: "good", failed: "bad", suppressed: "plain" };

export function NotificationTable({ rows }: { rows: Notification[] }) {
  const columns: Column<Notification>[] = [
    { key: "time", header: t("time"), cell: (row) => <time title={dateTime(timeOf(row))}>{ago(timeOf(row))}</time>, sort: timeOf },
    { key: "outcome", header: t("outcome"), cell: (row) => <Badge tone={TONES[outcomeOf(row)]}>{t(outcomeOf(row))}</Badge> },
    {
      key: "about",
      header: t("about"),
      primary: true,
      cell: (row) => {
        const text = aboutOf(row) || t("allAlerts");
        const [only] = row.alerts;
        return row.alerts.length === 1 && only !== undefined ? (
          <Link to="/alerts/$fingerprint" params={{ fingerprint: only }}>
            {text}
          </Link>
        ) : (
          text
        );
      },
    },
    { key: "receiver", header: t("receiver"), cell: (row) => row.integration ?? UNKNOWN, sort: (row) => row.integration ?? null },
    {
      key: "alerts",
      header: t("firingResolved"),
      right: true,
      cell: (row) => (row.outcome === "suppressed" ? UNKNOWN : `${count(row.firing)} / ${count(row.resolved)}`),
    },
    { key: "attempts", header: t("attempts"), right: true, cell: (row) => count(row.attempts ?? null), sort: (row) => row.attempts ?? null },
    { key: "why", header: t("why"), cell: (row) => whyOf(row) },
  ];
  return <Table label={t("notifications")} columns={columns} rows={rows} rowKey={(row) => row._id} />;
}

/** What was sent in the range, and what was not, with the reason. */
export function Notifications() {
  const asked = useApi<Notification[]>("/api/v1/find", { kind: "notification", descending: true, limit: 1_000 });
  return (
    <Answered query={asked}>
      {(rows) => (rows.length === 0 ? <EmptyState title={t("noneNotifications")} /> : <NotificationTable rows={rows} />)}
    </Answered>
  );
}

interface Receiver {
  name: string;
}

/** Who is notified: how many open alerts are routed to each, and how its last notification went. */
export function Receivers({ alerts }: { alerts: readonly GettableAlert[] }) {
  const asked = useApi<Receiver[]>("/api/v2/receivers", {}, { ranged: false });
  const sent = useApi<Notification[]>("/api/v1/find", { kind: "notification", descending: true, limit: 1_000 });
  const newest = (name: string) => sent.data?.body.find((each) => each.receiver === name);
  const columns: Column<Receiver>[] = [
    { key: "name", header: t("name"), primary: true, cell: (row) => row.name, sort: (row) => row.name },
    {
      key: "routed",
      header: t("routed"),
      right: true,
      cell: (row) => count(alerts.filter((alert) => alert.receivers.some((each) => each.name === row.name)).length),
    },
    {
      key: "last",
      header: t("lastSent"),
      cell: (row) => {
        const last = newest(row.name);
        if (sent.data === undefined) return UNKNOWN;
        return last === undefined ? (
          <span className="quiet">{t("never")}</span>
        ) : (
          <>
            <Badge tone={TONES[outcomeOf(last)]}>{t(outcomeOf(last))}</Badge> {ago(timeOf(last))} {whyOf(last)}
          </>
        );
      },
    },
  ];
  return <Answered query={asked}>{(rows) => <Table label={t("receivers")} columns={columns} rows={rows} rowKey={(row) => row.name} />}</Answered>;
}
