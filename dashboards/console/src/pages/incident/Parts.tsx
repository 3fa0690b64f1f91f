import { Link } from "@tanstack/react-router";

import { milliseconds } from "../../api/client";
import { useApi } from "../../api/queries";
import { Badge } from "../../shared/Badge";
import { ExpressionGraph } from "../../shared/ExpressionGraph";
import { clock, dateTime, duration, percent, rate, UNKNOWN } from "../../shared/format";
import { Answered } from "../../shared/States";
import { Table, type Column } from "../../shared/Table";
import type { Between } from "../../shell/range";
import type { AlertChange } from "../alerts/model";
import { PROGRESS_TONES, type Incident, type Step } from "../incidents/model";
import type { MapAnswer, MapEdge } from "../map/api";
import { quoted } from "../map/Panel";
import { sentence, whoOf, type AuditRecord } from "./audit";
import { t } from "./strings";

/** The audit trail as sentences; who did it in bold. */
export function AuditList({ records, opened }: { records: readonly AuditRecord[]; opened: number }) {
  const [first, last] = [records[0], records.at(-1)];
  if (first === undefined || last === undefined) return <p className="quiet">{t("noAudit")}</p>;
  return (
    <>
      <ol className="audit">
        {records.map((record) => (
          <li key={record._id}>
            <time className="mono quiet" title={dateTime(milliseconds(record.time), true)}>
              {signed(record.time - opened)}
            </time>{" "}
            <span className={whoOf(record) ? "by-person" : ""}>{sentence(record)}</span>
          </li>
        ))}
      </ol>
      <p className="quiet">{t("auditPlace", { first: first.sequence, last: last.sequence, chain: first.chain })}</p>
    </>
  );
}

function signed(ns: number): string {
  return `${ns < 0 ? "−" : "+"}${(Math.abs(ns) / 1e9).toFixed(1)} s`;
}

/** What the repair verifies, and what the alert measured, over the incident. */
export function Graphs({ incident, changes, axis }: { incident: Incident; changes: readonly AlertChange[]; axis: Between }) {
  const markers = incident.steps.filter((step) => step.started > 0).map((step) => ({ time: milliseconds(step.started), text: step.name, tone: "accent" as const }));
  const alert = changes.at(-1);
  return (
    <section className="panel" aria-label={t("proof")}>
      <h2>{t("proof")}</h2>
      <p>
        <code>{incident.check.expression}</code>{" "}
        <span className="quiet">{t("holdFor", { hold: duration(incident.check.hold), within: duration(incident.check.within) })}</span>
      </p>
      <div className="columns">
        <ExpressionGraph title={t("graph")} expression={incident.check.expression} environment={incident.environment} axis={axis} markers={markers} empty={t("noGraph")} live={incident.ended === 0} />
        {alert !== undefined && alert.expr !== "" && (
          <ExpressionGraph title={t("alertGraph")} expression={alert.expr} environment={incident.environment} labels={alert.labels} axis={axis} markers={markers} empty={t("noGraph")} live={incident.ended === 0} />
        )}
      </div>
    </section>
  );
}

export function Steps({ incident }: { incident: Incident }) {
  const columns: Column<Step>[] = [
    { key: "step", header: t("step"), primary: true, cell: (step) => step.name },
    { key: "phase", header: t("phase"), cell: (step) => step.phase },
    { key: "action", header: t("action"), cell: (step) => <code>{step.call.action}</code> },
    { key: "progress", header: t("progress"), cell: (step) => <Badge tone={PROGRESS_TONES[step.progress]}>{step.progress}</Badge> },
    { key: "started", header: t("started"), cell: (step) => (step.started > 0 ? clock(milliseconds(step.started)) : UNKNOWN) },
    { key: "lasted", header: t("lasted"), right: true, cell: (step) => duration(step.started > 0 && step.ended > 0 ? step.ended - step.started : null) },
    { key: "detail", header: t("detail"), cell: (step) => step.detail },
  ];
  return (
    <>
      <h2>{t("steps")}</h2>
      <Table label={t("steps")} columns={columns} rows={incident.steps} rowKey={(step) => step.name} />
    </>
  );
}

/** Who calls the service now: who suffers from it. */
export function Callers({ service, environment }: { service: string; environment: string }) {
  const asked = useApi<MapAnswer>("/api/v1/map", { environment });
  const columns: Column<MapEdge>[] = [
    {
      key: "caller",
      header: t("caller"),
      primary: true,
      cell: (edge) => (edge.caller.kind === "service" ? <Link to="/services/$" params={{ _splat: edge.caller.name }}>{edge.caller.name}</Link> : edge.caller.name),
    },
    { key: "rate", header: t("rate"), right: true, cell: (edge) => rate(edge.stats.rate) },
    { key: "errors", header: t("errors"), right: true, cell: (edge) => percent(edge.stats.error_rate) },
    { key: "p95", header: "p95", right: true, cell: (edge) => duration(edge.stats.p95) },
  ];
  return (
    <div className="panel">
      <h2>{t("callers", { service })}</h2>
      <Answered query={asked}>
        {(map) => {
          const edges = map.edges.filter((edge) => edge.callee.kind === "service" && edge.callee.name === service);
          return edges.length === 0 ? (
            <p className="quiet">{t("noCallers")}</p>
          ) : (
            <Table label={t("callers", { service })} columns={columns} rows={edges} rowKey={(edge) => edge.id} sortKey="callers" />
          );
        }}
      </Answered>
    </div>
  );
}

/** Traces that the incident or anomalies of its service name. */
export function Traces({ ids, service, axis, known }: { ids: readonly string[]; service: string; axis: Between; known: boolean }) {
  const range = { from: new Date(axis.since).toISOString(), to: new Date(axis.until).toISOString() };
  return (
    <section className="panel" aria-label={t("traces")}>
      <h2>{t("traces")}</h2>
      {ids.length === 0 && known && <p className="quiet">{t("noTraces")}</p>}
      <ul className="plain-list">
        {ids.slice(0, 20).map((id) => (
          <li key={id}>
            <Link className="mono" to="/traces/$trace" params={{ trace: id }}>
              {id}
            </Link>
          </li>
        ))}
      </ul>
      <Link to="/traces" search={{ q: `service=${quoted(service)} and status=error`, ...range } as never}>
        {t("failedTraces")}
      </Link>
    </section>
  );
}
