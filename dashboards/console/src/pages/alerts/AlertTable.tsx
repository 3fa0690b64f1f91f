import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";

import { Badge, type Tone } from "../../shared/Badge";
import { ago, compact, dateTime, duration, UNKNOWN } from "../../shared/format";
import { Table, type Column } from "../../shared/Table";
import { severityRank, type AlertRow } from "./model";
import { t } from "./strings";

export const STATE_TONES: Record<AlertRow["state"], Tone> = {
  firing: "bad",
  pending: "warn",
  inhibited: "plain",
  silenced: "plain",
  resolved: "good",
};

const SEVERITY_TONES: readonly Tone[] = ["bad", "bad", "bad", "bad", "warn", "warn", "warn"];

interface Props {
  label: string;
  rows: AlertRow[];
  ended?: boolean;
  actions?: (row: AlertRow) => ReactNode;
}

/** Alerts as a table: how bad, what, where, since when. */
export function AlertTable({ label, rows, ended = false, actions }: Props) {
  const columns: Column<AlertRow>[] = [
    { key: "state", header: t("state"), cell: (row) => <Badge tone={STATE_TONES[row.state]}>{t(row.state)}</Badge> },
    {
      key: "severity",
      header: t("severity"),
      cell: (row) => (row.severity ? <Badge tone={SEVERITY_TONES[severityRank(row.severity)] ?? "plain"}>{row.severity}</Badge> : UNKNOWN),
      sort: (row) => severityRank(row.severity),
    },
    {
      key: "alert",
      header: t("alert"),
      primary: true,
      cell: (row) => (
        <Link to="/alerts/$fingerprint" params={{ fingerprint: row.fingerprint }}>
          {row.name || row.fingerprint}
        </Link>
      ),
      sort: (row) => row.name,
    },
    {
      key: "service",
      header: t("service"),
      cell: (row) =>
        row.service ? (
          <Link to="/services/$" params={{ _splat: row.service }}>
            {row.service}
          </Link>
        ) : (
          UNKNOWN
        ),
      sort: (row) => row.service,
    },
    { key: "summary", header: t("summary"), cell: (row) => row.summary || UNKNOWN },
    {
      key: "since",
      header: t("since"),
      cell: (row) => (row.since === null ? UNKNOWN : <time title={dateTime(row.since)}>{ago(row.since)}</time>),
      sort: (row) => row.since,
    },
    ended
      ? {
          key: "lasted",
          header: t("lasted"),
          right: true,
          cell: (row) => (row.ended !== null && row.since !== null ? duration((row.ended - row.since) * 1e6) : UNKNOWN),
          sort: (row) => (row.ended !== null && row.since !== null ? row.ended - row.since : null),
        }
      : { key: "value", header: t("value"), right: true, cell: (row) => compact(row.value), sort: (row) => row.value },
    ...(actions ? [{ key: "actions", header: t("actions"), cell: actions }] : []),
  ];
  return <Table label={label} columns={columns} rows={rows} rowKey={(row) => `${row.fingerprint} ${row.since ?? ""}`} />;
}
