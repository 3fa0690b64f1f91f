import { Link, useParams } from "@tanstack/react-router";
import { useMemo, useState } from "react";

import { milliseconds } from "../../api/client";
import type { AlertChange, AlertDetail, IncidentSummary } from "../../api/numbers";
import { useApi } from "../../api/queries";
import { said } from "../../i18n/sentences";
import { Badge } from "../../shared/Badge";
import { Copy } from "../../shared/Copy";
import { compact, dateTime } from "../../shared/format";
import { ExpressionGraph } from "../../shared/ExpressionGraph";
import { Answered, EmptyState } from "../../shared/States";
import { Table, type Column } from "../../shared/Table";
import { Page } from "../../shell/Page";
import { around } from "../../shell/range";
import { now as serverNow } from "../../shell/serverClock";
import { useSetRange } from "../../shell/useRange";
import { STATE_TONES } from "../alerts/AlertTable";
import { matchersFor } from "../alerts/matchers";
import { openRows, type AlertRow, type GettableAlert } from "../alerts/model";
import { NotificationTable } from "../alerts/Notifications";
import { SilenceDrawer } from "../alerts/SilenceDrawer";
import { t as alertText } from "../alerts/strings";
import { axisOf, laneEvents } from "../incident/lanes";
import { Lanes } from "../incident/Lanes";
import { CallersThen, Traces } from "../incident/Parts";
import { Ranking } from "../incident/Ranking";
import { t as incidentText } from "../incident/strings";
import { STATE_TONES as INCIDENT_TONES, target } from "../incidents/model";
import { t as incidentsText } from "../incidents/strings";
import { t } from "./strings";
import "../../shared/ops.css";
import "../alerts/alerts.css";
import "../incident/incident.css";

export default function AlertPage() {
  const { fingerprint = "" } = useParams({ strict: false });
  const asked = useApi<AlertDetail>(`/api/v1/alerts/${encodeURIComponent(fingerprint)}`, {}, { ranged: false });
  const active = useApi<GettableAlert[]>("/api/v2/alerts", {}, { ranged: false });
  const newest = asked.data?.body.changes[0];
  const now = openRows(active.data?.body.filter((each) => each.fingerprint === fingerprint) ?? null, asked.data?.body.changes ?? [])[0];
  const state: AlertRow["state"] = now?.state ?? (newest?.state === "firing" && active.data === undefined ? "firing" : "resolved");
  const title = newest?.labels["alertname"] ?? now?.name ?? t("title");
  const known = newest !== undefined || now !== undefined;
  return (
    <Page title={title} aside={known && <Badge tone={STATE_TONES[state]}>{alertText(state)}</Badge>}>
      {asked.error?.status === 404 ? (
        <EmptyState title={t("notFound", { fingerprint })}>
          <p>{t("notFoundText")}</p>
        </EmptyState>
      ) : (
        <Answered query={asked} lines={8}>
          {(alert) => {
            const [last] = alert.changes;
            return last && <OneAlert alert={alert} newest={last} open={now !== undefined} />;
          }}
        </Answered>
      )}
    </Page>
  );
}

function OneAlert({ alert, newest, open }: { alert: AlertDetail; newest: AlertChange; open: boolean }) {
  const setRange = useSetRange();
  const [silencing, setSilencing] = useState(false);
  const { changes } = alert;
  const { environment } = newest;
  const started = milliseconds(newest.starts_at || newest.active_at);
  const ended = newest.ends_at > 0 ? milliseconds(newest.ends_at) : null;
  const [loaded] = useState(serverNow);
  const moment = Math.max(loaded, ended ?? serverNow());
  const events = useMemo(() => laneEvents(newest.service, alert.lanes), [newest.service, alert.lanes]);
  const axis = useMemo(() => axisOf(events, started, ended, moment), [events, started, ended, moment]);
  const markers = useMemo(
    () => changes.map((change) => ({ time: milliseconds(change.time), text: alertText(change.state), tone: change.state === "firing" ? ("bad" as const) : change.state === "pending" ? ("warn" as const) : ("good" as const) })),
    [changes],
  );
  const { summary, description, runbook_url: runbook } = newest.annotations;
  return (
    <>
      <p className="lead">{summary || description || newest.expr}</p>
      {summary && description && <p>{description}</p>}
      <div className="incident-actions">
        <span className="quiet">
          {t("since", { time: dateTime(started) })}
          {!open && ended !== null && ` · ${t("ended", { time: dateTime(ended) })}`}
        </span>
        <button type="button" className="button" onClick={() => setSilencing(true)}>
          {alertText("silence")}
        </button>
        <button type="button" className="button" onClick={() => setRange(around(started))}>
          {t("around")}
        </button>
        {runbook !== undefined && /^https?:\/\//u.test(runbook) && (
          <a href={runbook} rel="noreferrer noopener" target="_blank">
            {t("runbook")}
          </a>
        )}
      </div>
      <section className="panel" aria-label={incidentText("lanes")}>
        <h2>{incidentText("lanes")}</h2>
        <Lanes events={events} axis={axis} opened={started} now={moment} />
      </section>
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
          <Ranking ranking={alert.ranking} opened={started} began={t("began")} />
        </section>
        <section className="panel" aria-label={t("incident")}>
          <h2>{t("incident")}</h2>
          <IncidentsOf incidents={alert.incidents} />
        </section>
      </div>
      {newest.service !== "" && (
        <div className="columns">
          <CallersThen service={newest.service} callers={alert.callers} />
          <Traces ids={alert.trace_ids} service={newest.service} axis={axis} known />
        </div>
      )}
      <h2>{t("history")}</h2>
      <Table label={t("history")} columns={columns()} rows={changes} rowKey={(change) => change.id} />
      <h2>{t("notifications")}</h2>
      {alert.notifications.length === 0 ? <p className="quiet">{t("noNotifications")}</p> : <NotificationTable rows={alert.notifications} />}
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

function IncidentsOf({ incidents }: { incidents: readonly IncidentSummary[] }) {
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
            {dateTime(milliseconds(each.opened))} {said(each.why, each.why_parts)}
          </div>
        </li>
      ))}
    </ul>
  );
}

function columns(): Column<AlertChange>[] {
  return [
    { key: "time", header: t("time"), primary: true, cell: (change) => dateTime(milliseconds(change.time)), sort: (change) => change.time },
    {
      key: "state",
      header: t("state"),
      cell: (change) => <Badge tone={change.state === "inactive" ? "plain" : STATE_TONES[change.state]}>{alertText(change.state)}</Badge>,
    },
    { key: "value", header: t("value"), right: true, cell: (change) => compact(change.value), sort: (change) => change.value },
  ];
}
