import { Link } from "@tanstack/react-router";

import { milliseconds } from "../../api/client";
import type { Caller, IncidentDetail, NodeRef } from "../../api/numbers";
import { said } from "../../i18n/sentences";
import { Badge } from "../../shared/Badge";
import { ExpressionGraph } from "../../shared/ExpressionGraph";
import { clock, count, dateTime, duration, percent, UNKNOWN } from "../../shared/format";
import { Table, type Column } from "../../shared/Table";
import type { Between } from "../../shell/range";
import { progressTone, type Step } from "../incidents/model";
import { quoted } from "../map/Panel";
import { sentence, whoOf, type AuditRecord } from "./audit";
import { word } from "./lanes";
import { t } from "./strings";

/** The audit trail as sentences; who did it in bold. */
export function AuditList({ records, opened }: { records: readonly AuditRecord[]; opened: number }) {
  const [first, last] = [records[0], records.at(-1)];
  if (first === undefined || last === undefined) return <p className="quiet">{t("noAudit")}</p>;
  return (
    <>
      <ol className="audit">
        {records.map((record) => (
          <li key={record.id}>
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
export function Graphs({ incident, axis }: { incident: IncidentDetail; axis: Between }) {
  const markers = incident.steps.flatMap((step) => (step.started === null ? [] : [{ time: milliseconds(step.started), text: step.name, tone: "accent" as const }]));
  const common = { environment: incident.environment, axis, markers, empty: t("noGraph"), live: incident.open };
  return (
    <section className="panel" aria-label={t("proof")}>
      <h2>{t("proof")}</h2>
      <p>
        <code>{incident.check.expression}</code>{" "}
        <span className="quiet">{t("holdFor", { hold: duration(incident.check.hold), within: duration(incident.check.within) })}</span>
      </p>
      <div className="columns">
        <ExpressionGraph title={t("graph")} expression={incident.check.expression} {...common} />
        {incident.alert !== null && <ExpressionGraph title={t("alertGraph")} expression={incident.alert.expression} labels={incident.alert.labels} {...common} />}
      </div>
    </section>
  );
}

export function Steps({ incident }: { incident: IncidentDetail }) {
  const columns: Column<Step>[] = [
    { key: "step", header: t("step"), primary: true, cell: (step) => step.name },
    { key: "phase", header: t("phase"), cell: (step) => step.phase },
    { key: "action", header: t("action"), cell: (step) => <code>{step.action}</code> },
    { key: "progress", header: t("progress"), cell: (step) => <Badge tone={progressTone(step.progress)}>{word(step.progress)}</Badge> },
    { key: "started", header: t("started"), cell: (step) => (step.started === null ? UNKNOWN : clock(milliseconds(step.started))) },
    { key: "lasted", header: t("lasted"), right: true, cell: (step) => duration(step.started === null || step.ended === null ? null : step.ended - step.started) },
    { key: "detail", header: t("detail"), cell: (step) => said(step.detail, step.detail_parts) },
  ];
  return (
    <>
      <h2>{t("steps")}</h2>
      <Table label={t("steps")} columns={columns} rows={incident.steps} rowKey={(step) => step.name} />
    </>
  );
}

/** Who called the service around that time: who suffered from it. */
export function CallersThen({ service, callers }: { service: string; callers: Caller[] }) {
  const columns: Column<Caller>[] = [
    { key: "caller", header: t("caller"), primary: true, cell: (row) => <Node node={row} /> },
    { key: "calls", header: t("calls"), right: true, cell: (row) => count(row.calls), sort: (row) => row.calls },
    { key: "errors", header: t("errors"), right: true, cell: (row) => percent(row.failures / row.calls), sort: (row) => row.failures / row.calls },
  ];
  const title = t("callers", { service });
  return (
    <div className="panel">
      <h2>{title}</h2>
      {callers.length === 0 ? (
        <p className="quiet">{t("noCallersThen")}</p>
      ) : (
        <Table label={title} columns={columns} rows={callers} rowKey={(row) => `${row.kind} ${row.name}`} sortKey="callers" />
      )}
    </div>
  );
}

function Node({ node }: { node: NodeRef }) {
  if (node.kind !== "service") return node.name;
  return (
    <Link to="/services/$" params={{ _splat: node.name }}>
      {node.name}
    </Link>
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
