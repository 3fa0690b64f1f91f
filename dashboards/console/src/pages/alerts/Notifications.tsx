import { Link } from "@tanstack/react-router";

import type { NotificationsAnswer } from "../../api/numbers";
import { useApi } from "../../api/queries";
import { Badge, type Tone } from "../../shared/Badge";
import { ago, count, dateTime, UNKNOWN } from "../../shared/format";
import { Answered, EmptyState } from "../../shared/States";
import { Table, type Column } from "../../shared/Table";
import type { GettableAlert, Notification } from "./model";
import { aboutOf, outcomeOf, timeOf, whyOf } from "./notice";
import { t } from "./strings";

/** Most that are read, the newest. */
const MOST = 1_000;

const TONES: Record<"delivered" | "failed" | "suppressed", Tone> = { delivered: "good", failed: "bad", suppressed: "plain" };

export function NotificationTable({ rows, total = rows.length }: { rows: Notification[]; total?: number }) {
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
    { key: "receiver", header: t("receiver"), cell: (row) => row.integration || UNKNOWN, sort: (row) => row.integration || null },
    {
      key: "alerts",
      header: t("firingResolved"),
      right: true,
      cell: (row) => (row.outcome === "suppressed" ? UNKNOWN : `${count(row.firing)} / ${count(row.resolved)}`),
    },
    { key: "attempts", header: t("attempts"), right: true, cell: (row) => count(row.attempts), sort: (row) => row.attempts },
    { key: "why", header: t("why"), cell: (row) => whyOf(row) },
  ];
  return <Table label={t("notifications")} columns={columns} rows={rows} rowKey={(row) => row.id} total={total} />;
}

/** What was sent in the range, and what was not, with the reason. */
export function Notifications() {
  const asked = useApi<NotificationsAnswer>("/api/v1/notifications", { limit: MOST });
  return (
    <Answered query={asked}>
      {({ notifications, total }) =>
        notifications.length === 0 ? <EmptyState title={t("noneNotifications")} /> : <NotificationTable rows={notifications} total={total} />
      }
    </Answered>
  );
}

interface Receiver {
  name: string;
}

/** Who is notified: how many open alerts are routed to each, and how its last notification went. */
export function Receivers({ alerts }: { alerts: readonly GettableAlert[] }) {
  const asked = useApi<Receiver[]>("/api/v2/receivers", {}, { ranged: false });
  const sent = useApi<NotificationsAnswer>("/api/v1/notifications", { limit: MOST });
  const newest = (name: string) => sent.data?.body.notifications.find((each) => each.receiver === name);
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
