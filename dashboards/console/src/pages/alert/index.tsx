import { Link, useParams } from "@tanstack/react-router";
import { useMemo, useState } from "react";

import { milliseconds } from "../../api/client";
import { useApi } from "../../api/queries";
import { Badge } from "../../shared/Badge";
import { Copy } from "../../shared/Copy";
import { compact, dateTime } from "../../shared/format";
import { ExpressionGraph } from "../../shared/ExpressionGraph";
import { Answered, EmptyState } from "../../shared/States";
import { Table, type Column } from "../../shared/Table";
import { Page } from "../../shell/Page";
import { around } from "../../shell/range";
import { useBetween, useSetRange } from "../../shell/useRange";
import { STATE_TONES } from "../alerts/AlertTable";
import { matchersFor } from "../alerts/matchers";
import { openRows, type AlertChange, type AlertRow, type GettableAlert, type Notification } from "../alerts/model";
import { NotificationTable } from "../alerts/Notifications";
import { SilenceDrawer } from "../alerts/SilenceDrawer";
import { t as alertText } from "../alerts/strings";
import { Callers, Traces } from "../incident/Parts";
import { Ranking, rankingOf, type RankingBody } from "../incident/Ranking";
import { t as incidentText } from "../incident/strings";
import { newestOf, STATE_TONES as INCIDENT_TONES, target, type Incident } from "../incidents/model";
import { t as incidentsText } from "../incidents/strings";
import { t } from "./strings";
import "../../shared/ops.css";
import "../alerts/alerts.css";
import "../incident/incident.css";

const MOST = 1_000;

function find<T>(params: Record<string, string | number | boolean | undefined>) {
  return useApi<T[]>("/api/v1/find", params, { ranged: false });
}

export default function AlertPage() {
  const { fingerprint = "" } = useParams({ strict: false });
  const asked = find<AlertChange>({ kind: "alert", where: `fingerprint:${fingerprint}`, descending: true, limit: MOST });
  const active = useApi<GettableAlert[]>("/api/v2/alerts", {}, { ranged: false });
  const newest = asked.data?.body[0];
  const now = openRows(active.data?.body.filter((each) => each.fingerprint === fingerprint) ?? null, asked.data?.body ?? [])[0];
  const state: AlertRow["state"] = now?.state ?? (newest?.state === "firing" && active.data === undefined ? "firing" : "resolved");
  const title = newest?.labels["alertname"] ?? now?.name ?? t("title");
  const known = newest !== undefined || now !== undefined;
  return (
    <Page title={title} aside={known && <Badge tone={STATE_TONES[state]}>{alertText(state)}</Badge>}>
      <Answered query={asked} lines={8}>
        {(changes) =>
          newest === undefined ? (
            <EmptyState title={t("notFound", { fingerprint })}>
              <p>{t("notFoundText")}</p>
            </EmptyState>
          ) : (
            <OneAlert newest={newest} changes={changes} open={now !== undefined} />
          )
        }
      </Answered>
    </Page>
  );
}

/** Nanoseconds as a text, some milliseconds from others. */
function shifted(ns: number, ms: number): string {
  return `${Math.round(ns / 1e6 + ms)}000000`;
}

function OneAlert({ newest, changes, open }: { newest: AlertChange; changes: readonly AlertChange[]; open: boolean }) {
  const setRange = useSetRange();
  const axis = useBetween();
  const [silencing, setSilencing] = useState(false);
  const environment = newest.environment ?? "default";
  const started = newest.starts_at || newest.active_at;
  const incidents = find<Incident>({ kind: "incident", environment, descending: true, limit: MOST });
  const sent = find<Notification>({ kind: "notification", where: `alerts:${newest.fingerprint}`, descending: true, limit: MOST });
  const before = find<RankingBody>({ kind: "culprit", environment, until: shifted(started, 1), descending: true, limit: 1 });
  const after = find<RankingBody>({ kind: "culprit", environment, since: shifted(started, 0), limit: 1 });
  const markers = useMemo(
    () => changes.map((change) => ({ time: milliseconds(change.time), text: alertText(change.state === "inactive" ? "resolved" : change.state), tone: change.state === "firing" ? ("bad" as const) : change.state === "pending" ? ("warn" as const) : ("good" as const) })),
    [changes],
  );
  const { summary, description, runbook_url: runbook } = newest.annotations;
  return (
    <>
      <p className="lead">{summary || description || newest.expr}</p>
      {summary && description && <p>{description}</p>}
      <div className="incident-actions">
        <span className="quiet">
          {t("since", { time: dateTime(milliseconds(started)) })}
          {!open && newest.ends_at > 0 && ` · ${t("ended", { time: dateTime(milliseconds(newest.ends_at)) })}`}
        </span>
        <button type="button" className="button" onClick={() => setSilencing(true)}>
          {alertText("silence")}
        </button>
        <button type="button" className="button" onClick={() => setRange(around(milliseconds(started)))}>
          {t("around")}
        </button>
        {runbook !== undefined && /^https?:\/\//u.test(runbook) && (
          <a href={runbook} rel="noreferrer noopener" target="_blank">
            {t("runbook")}
          </a>
        )}
      </div>
      <section className="panel" aria-label={t("rule")}>
        <ExpressionGraph title={t("graph")} expression={newest.expr} environment={environment} labels={newest.labels} axis={axis} markers={markers} empty={t("noGraph")} live />
        <p>
          <code>{newest.expr}</code>
        </p>
        <p>
          <Link to="/rules" search={{ rule: newest.labels["alertname"] ?? "", group: newest.group } as never}>
            {t("openRule")}
          </Link>
        </p>
      </section>
      <div className="columns">
        <section className="panel" aria-label={incidentText("ranking")}>
          <h2>{incidentText("ranking")}</h2>
          <Answered query={before}>
            {(found) => <Answered query={after}>{(next) => <Ranking ranking={rankingOf(found, next)} opened={milliseconds(started)} />}</Answered>}
          </Answered>
        </section>
        <section className="panel" aria-label={t("incident")}>
          <h2>{t("incident")}</h2>
          <Answered query={incidents}>{(bodies) => <IncidentsOf incidents={newestOf(bodies).filter((each) => each.fingerprint === newest.fingerprint)} />}</Answered>
        </section>
      </div>
      {newest.service !== "" && (
        <div className="columns">
          <Callers service={newest.service} environment={environment} />
          <AffectedTraces service={newest.service} environment={environment} />
        </div>
      )}
      <h2>{t("history")}</h2>
      <Table label={t("history")} columns={columns()} rows={[...changes]} rowKey={(change) => change._id} />
      <h2>{t("notifications")}</h2>
      <Answered query={sent}>{(rows) => (rows.length === 0 ? <p className="quiet">{t("noNotifications")}</p> : <NotificationTable rows={rows} />)}</Answered>
      <section className="panel" aria-label={t("facts")}>
        <h2>{t("facts")}</h2>
        <dl className="facts">
          <dt>{t("fingerprint")}</dt>
          <dd className="mono">
            {newest.fingerprint} <Copy text={newest.fingerprint} />
          </dd>
          <dt>{t("environment")}</dt>
          <dd>{environment}</dd>
          <dt>{t("labels")}</dt>
          <dd>
            {Object.entries(newest.labels).map(([name, value]) => (
              <code key={name} className="label">
                {name}={value}
              </code>
            ))}
          </dd>
        </dl>
      </section>
      {silencing && <SilenceDrawer draft={{ id: "", matchers: matchersFor(newest.labels), comment: "", minutes: 120 }} close={() => setSilencing(false)} />}
    </>
  );
}

function IncidentsOf({ incidents }: { incidents: readonly Incident[] }) {
  if (incidents.length === 0) return <p className="quiet">{t("noIncident")}</p>;
  return (
    <ul className="plain-list">
      {incidents.map((each) => (
        <li key={each.id}>
          <Link to="/incidents/$incident" params={{ incident: each.id }}>
            {incidentText("heading", { playbook: each.playbook, target: target(each) })}
          </Link>{" "}
          <Badge tone={INCIDENT_TONES[each.state]}>{incidentsText(each.state)}</Badge>
          <div className="quiet">
            {dateTime(milliseconds(each.opened))} {each.why}
          </div>
        </li>
      ))}
    </ul>
  );
}

function AffectedTraces({ service, environment }: { service: string; environment: string }) {
  const asked = useApi<{ trace_ids: string[] }[]>("/api/v1/find", { kind: "anomaly", environment, where: `service:${service}`, descending: true, limit: 100 });
  const ids = [...new Set((asked.data?.body ?? []).flatMap((each) => each.trace_ids))];
  return <Traces ids={ids} service={service} axis={asked.data?.asked ?? { since: Date.now() - 900_000, until: Date.now() }} known={asked.data !== undefined} />;
}

function columns(): Column<AlertChange>[] {
  return [
    { key: "time", header: t("time"), primary: true, cell: (change) => dateTime(milliseconds(change.time)), sort: (change) => change.time },
    {
      key: "state",
      header: t("state"),
      cell: (change) => (change.state === "inactive" ? change.state : <Badge tone={STATE_TONES[change.state]}>{alertText(change.state)}</Badge>),
    },
    { key: "value", header: t("value"), right: true, cell: (change) => compact(change.value), sort: (change) => change.value },
  ];
}
