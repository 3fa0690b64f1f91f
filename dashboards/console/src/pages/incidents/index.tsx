import { Link } from "@tanstack/react-router";

import { milliseconds } from "../../api/client";
import type { IncidentsAnswer, IncidentSummary } from "../../api/numbers";
import { useApi } from "../../api/queries";
import { said } from "../../i18n/sentences";
import { Badge } from "../../shared/Badge";
import { ago, dateTime, duration } from "../../shared/format";
import { Answered, EmptyState } from "../../shared/States";
import { Table, type Column } from "../../shared/Table";
import { Page } from "../../shell/Page";
import { now } from "../../shell/serverClock";
import { useShellState } from "../../shell/useRange";
import { byUrgency, STATE_TONES, target } from "./model";
import { StopSwitch } from "./StopSwitch";
import { t } from "./strings";
import "../../shared/ops.css";

/** Most of each kind that are read, the newest. */
const MOST = 200;

/** Those that are open, whenever they began, and those that ended in the range. */
export default function IncidentsPage() {
  const { environment } = useShellState();
  const open = useApi<IncidentsAnswer>("/api/v1/incidents", { state: "open", limit: MOST, environment }, { ranged: false });
  const ended = useApi<IncidentsAnswer>("/api/v1/incidents", { state: "closed", limit: MOST });
  return (
    <Page title={t("title")}>
      <StopSwitch />
      <Answered query={open}>{(now) => <Answered query={ended}>{(before) => <Incidents open={now} ended={before} />}</Answered>}</Answered>
    </Page>
  );
}

function Incidents({ open, ended }: { open: IncidentsAnswer; ended: IncidentsAnswer }) {
  const groups = [
    { title: t("open", { n: open.total }), rows: byUrgency(open.incidents), total: open.total },
    { title: t("ended", { n: ended.total }), rows: byUrgency(ended.incidents), total: ended.total },
  ];
  if (groups.every((group) => group.rows.length === 0)) {
    return (
      <EmptyState title={t("none")}>
        <p>{t("noneText")}</p>
      </EmptyState>
    );
  }
  return groups.map((group) =>
    group.rows.length === 0 ? null : (
      <div key={group.title}>
        <h2>{group.title}</h2>
        <Table label={group.title} columns={columns()} rows={group.rows} rowKey={(row) => row.id} total={group.total} />
      </div>
    ),
  );
}

function columns(): Column<IncidentSummary>[] {
  return [
    {
      key: "state",
      header: t("state"),
      cell: (row) => (
        <>
          <Badge tone={STATE_TONES[row.state]}>{t(row.state)}</Badge> {row.can_release && <Badge tone="warn">{t("leftIsolated")}</Badge>}
        </>
      ),
      sort: (row) => row.state,
    },
    {
      key: "incident",
      header: t("incident"),
      primary: true,
      cell: (row) => (
        <Link to="/incidents/$incident" params={{ incident: row.id }}>
          {t("on", { playbook: row.playbook, target: target(row) })}
        </Link>
      ),
      sort: (row) => row.service,
    },
    { key: "environment", header: t("environment"), cell: (row) => row.environment, sort: (row) => row.environment },
    {
      key: "opened",
      header: t("opened"),
      cell: (row) => <time title={dateTime(milliseconds(row.opened))}>{ago(milliseconds(row.opened))}</time>,
      sort: (row) => row.opened,
    },
    {
      key: "lasted",
      header: t("lasted"),
      right: true,
      cell: (row) => duration((row.ended ?? now() * 1e6) - row.opened),
      sort: (row) => (row.ended ?? now() * 1e6) - row.opened,
    },
    { key: "outcome", header: t("outcome"), cell: (row) => said(row.why, row.why_parts) },
  ];
}
