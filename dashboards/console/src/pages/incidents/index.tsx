import { Link } from "@tanstack/react-router";

import { milliseconds } from "../../api/client";
import { useApi } from "../../api/queries";
import { Badge } from "../../shared/Badge";
import { ago, dateTime, duration } from "../../shared/format";
import { Answered, EmptyState } from "../../shared/States";
import { Table, type Column } from "../../shared/Table";
import { Page } from "../../shell/Page";
import { useBetween, useShellState } from "../../shell/useRange";
import { canRelease, isOpen, newestOf, shownIn, STATE_TONES, target, type Incident } from "./model";
import { StopSwitch } from "./StopSwitch";
import { t } from "./strings";
import "../../shared/ops.css";

/** Most revisions that are read, the newest: what has not changed for longer is not seen. */
const MAX_REVISIONS = 5_000;

/** All incidents of the environment, newest revisions only. */
export function useIncidents() {
  const { environment } = useShellState();
  return useApi<Incident[]>("/api/v1/find", { kind: "incident", descending: true, limit: MAX_REVISIONS, environment }, { ranged: false });
}

export default function IncidentsPage() {
  const asked = useIncidents();
  return (
    <Page title={t("title")}>
      <StopSwitch />
      <Answered query={asked}>{(bodies) => <Incidents incidents={newestOf(bodies)} />}</Answered>
    </Page>
  );
}

function Incidents({ incidents }: { incidents: readonly Incident[] }) {
  const { since, until } = useBetween();
  const shown = shownIn(incidents, since, until);
  const groups = [
    { title: t("open", { n: shown.filter(isOpen).length }), rows: shown.filter(isOpen) },
    { title: t("ended", { n: shown.filter((each) => !isOpen(each)).length }), rows: shown.filter((each) => !isOpen(each)) },
  ];
  if (shown.length === 0) {
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
        <Table label={group.title} columns={columns()} rows={group.rows} rowKey={(row) => row.id} />
      </div>
    ),
  );
}

function columns(): Column<Incident>[] {
  return [
    {
      key: "state",
      header: t("state"),
      cell: (row) => (
        <>
          <Badge tone={STATE_TONES[row.state]}>{t(row.state)}</Badge> {canRelease(row) && <Badge tone="warn">{t("leftIsolated")}</Badge>}
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
      cell: (row) => duration((row.ended || Date.now() * 1e6) - row.opened),
      sort: (row) => (row.ended || Date.now() * 1e6) - row.opened,
    },
    { key: "outcome", header: t("outcome"), cell: (row) => row.why },
  ];
}
