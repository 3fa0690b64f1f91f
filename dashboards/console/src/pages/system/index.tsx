import { useQuery } from "@tanstack/react-query";

import { address, milliseconds } from "../../api/client";
import { useApi } from "../../api/queries";
import { ago, bytes, count, dateTime, UNKNOWN } from "../../shared/format";
import { Badge } from "../../shared/Badge";
import { Answered } from "../../shared/States";
import { Table } from "../../shared/Table";
import { Page } from "../../shell/Page";
import { useRefresh } from "../../shell/refresh";
import { AlertTable } from "../alerts/AlertTable";
import type { GettableAlert } from "../alerts/model";
import { DeadLetters, StalledPartitions } from "./DeadLetters";
import { counters, wrong, type Status, type SystemAnswer, ownRows } from "./model";
import { t } from "./strings";
import "../../shared/ops.css";
import "../incident/incident.css";

export default function SystemPage() {
  const status = useApi<Status>("/api/v1/status", {}, { ranged: false });
  const system = useApi<SystemAnswer>("/api/v1/system", {}, { ranged: false });
  return (
    <Page title={t("title")} aside={<Health />}>
      <OwnAlerts stored={system.data?.body.own_alerts} />
      <Answered query={status} lines={6}>
        {(body) => (
          <>
            <StalledPartitions stalled={body.stalled ?? []} />
            <div className="columns">
              <Stages status={body} system={system.data?.body} />
              <Store system={system.data?.body} />
            </div>
            <DeadLetters />
            <Counters status={body} />
          </>
        )}
      </Answered>
      <Configuration system={system.data?.body} />
    </Page>
  );
}

/** Whether the process says that it is ready, and why not: 503 is an answer here. */
function Health() {
  const refresh = useRefresh();
  const asked = useQuery<{ status: string; reasons: string[] }>({
    queryKey: ["/readyz"],
    queryFn: async ({ signal }) => (await fetch(address("/readyz"), { signal })).json() as Promise<{ status: string; reasons: string[] }>,
    refetchInterval: refresh,
  });
  if (asked.data === undefined) return null;
  const ready = asked.data.reasons.length === 0;
  return (
    <>
      <Badge tone={ready ? "good" : "bad"}>{t(ready ? "ready" : "notReady")}</Badge>
      <span className="quiet">{ready ? t("noReasons") : asked.data.reasons.join("; ")}</span>
    </>
  );
}

/** Alerts about Spanloom itself: those that the Alertmanager has, posted ones too, and those of the store. */
function OwnAlerts({ stored }: { stored: SystemAnswer["own_alerts"] | undefined }) {
  const active = useApi<GettableAlert[]>("/api/v2/alerts", {}, { ranged: false });
  if (stored === undefined) return null;
  const rows = ownRows(active.data?.body ?? [], stored);
  return rows.length === 0 ? (
    <p className="quiet">{t("noOwnAlerts")}</p>
  ) : (
    <>
      <h2>{t("ownAlerts")}</h2>
      <AlertTable label={t("ownAlerts")} rows={rows} />
    </>
  );
}

function Stages({ status, system }: { status: Status; system: SystemAnswer | undefined }) {
  const lag = Object.entries(status.lag ?? {})
    .map(([topic, records]) => ({ topic, records }))
    .sort((a, b) => b.records - a.records || a.topic.localeCompare(b.topic));
  return (
    <div className="panel">
      <h2>{t("stages")}</h2>
      {system !== undefined && system.stages.length > 0 && (
        <Table
          label={t("stages")}
          sortKey="stages"
          rows={system.stages}
          rowKey={(row) => row.name}
          columns={[
            { key: "stage", header: t("stage"), primary: true, cell: (row) => row.name },
            { key: "running", header: t("running"), cell: (row) => <Badge tone={row.running ? "good" : "bad"}>{t(row.running ? "yes" : "no")}</Badge> },
            { key: "lag", header: t("lag"), right: true, cell: (row) => count(row.lag) },
            { key: "flight", header: t("inFlight"), right: true, cell: (row) => count(row.in_flight) },
          ]}
        />
      )}
      <Table
        label={t("lag")}
        rows={lag}
        rowKey={(row) => row.topic}
        columns={[
          { key: "topic", header: t("topic"), primary: true, cell: (row) => <code>{row.topic}</code>, sort: (row) => row.topic },
          { key: "records", header: t("records"), right: true, cell: (row) => count(row.records), sort: (row) => row.records },
        ]}
      />
      <p className="quiet">
        {t("inFlight")}: {count(status.held_records ?? null)}
      </p>
    </div>
  );
}

interface Freshness {
  signals: { signal: string; newest: number | null }[];
}

function Store({ system }: { system: SystemAnswer | undefined }) {
  const fresh = useApi<Freshness>("/api/v1/freshness", {}, { ranged: false });
  return (
    <div className="panel">
      <h2>{t("store")}</h2>
      {system !== undefined && (
        <p>
          {system.store.kind} {system.store.size_bytes !== null && bytes(system.store.size_bytes)}
        </p>
      )}
      <Answered query={fresh}>
        {({ signals }) => (
          <Table
            label={t("store")}
            sortKey="signals"
            rows={signals}
            rowKey={(row) => row.signal}
            columns={[
              { key: "signal", header: t("signal"), primary: true, cell: (row) => row.signal },
              {
                key: "newest",
                header: t("newest"),
                cell: (row) => (row.newest === null ? UNKNOWN : <time title={dateTime(milliseconds(row.newest))}>{ago(milliseconds(row.newest))}</time>),
              },
              { key: "documents", header: t("documents"), right: true, cell: (row) => count(system?.store.documents[row.signal.replace(/s$/u, "")] ?? null) },
            ]}
          />
        )}
      </Answered>
    </div>
  );
}

function Counters({ status }: { status: Status }) {
  const all = counters(status);
  const bad = wrong(all);
  const table = (label: string, rows: [string, number][], key: string) => (
    <Table
      label={label}
      sortKey={key}
      page={100}
      rows={rows.map(([name, value]) => ({ name, value }))}
      rowKey={(row) => row.name}
      columns={[
        { key: "name", header: t("counter"), primary: true, cell: (row) => <code>{row.name}</code>, sort: (row) => row.name },
        { key: "value", header: t("value"), right: true, cell: (row) => count(row.value), sort: (row) => row.value },
      ]}
    />
  );
  return (
    <div className="panel">
      <h2>{t("counters")}</h2>
      {bad.length === 0 ? <p className="quiet">{t("nothingWrong")}</p> : table(t("wrong"), bad, "wrong")}
      <details>
        <summary>
          {t("counters")} ({all.length})
        </summary>
        {table(t("counters"), all, "counters")}
      </details>
    </div>
  );
}

function Configuration({ system }: { system: SystemAnswer | undefined }) {
  return (
    <div className="panel">
      <h2>{t("versions")}</h2>
      {system === undefined ? (
        <p className="quiet">{t("notServed")}</p>
      ) : (
        <dl className="facts">
          {[{ component: "spanloom", version: system.version }, ...system.versions.filter((each) => each.component !== "spanloom")].map((each) => (
            <div key={each.component} className="fact">
              <dt>{each.component}</dt>
              <dd>{each.version}</dd>
            </div>
          ))}
        </dl>
      )}
      <h2>{t("configuration")}</h2>
      {system?.configuration ? (
        <details>
          <summary>{t("configuration")}</summary>
          <pre className="config" tabIndex={0}>
            {JSON.stringify(system.configuration, null, 2)}
          </pre>
        </details>
      ) : (
        <p className="quiet">{t("notServed")}</p>
      )}
    </div>
  );
}
