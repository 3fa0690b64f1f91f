import { Link, useParams } from "@tanstack/react-router";
import { useMemo, useState } from "react";

import { milliseconds } from "../../api/client";
import { useApi } from "../../api/queries";
import { Badge } from "../../shared/Badge";
import { Copy } from "../../shared/Copy";
import { clock, dateTime, duration, percent } from "../../shared/format";
import { Answered, EmptyState } from "../../shared/States";
import { Page } from "../../shell/Page";
import { absolute } from "../../shell/range";
import { useSetRange } from "../../shell/useRange";
import { StopSwitch } from "../incidents/StopSwitch";
import { t as incidentText } from "../incidents/strings";
import { isOpen, newestOf, STATE_TONES, target, type Incident } from "../incidents/model";
import type { AlertChange, Notification } from "../alerts/model";
import { Actions } from "./Actions";
import { AuditList, Callers, Graphs, Steps, Traces } from "./Parts";
import type { AuditRecord } from "./audit";
import { Lanes } from "./Lanes";
import { axisOf, eventsOf, type AnomalyBody } from "./lanes";
import { Ranking, rankingOf, type RankingBody } from "./Ranking";
import { t } from "./strings";
import "../../shared/ops.css";
import "./incident.css";

/** Most documents of a kind that are read for one incident. */
const MOST = 2_000;

function find<T>(kind: string, params: Record<string, string | number | boolean | undefined>, enabled = true) {
  // The kind of question is fixed for each place that asks: the order of hooks stays.
  return useApi<T[]>("/api/v1/find", { kind, limit: MOST, ...params }, { ranged: false, enabled });
}

export default function IncidentPage() {
  const { incident: id = "" } = useParams({ strict: false });
  const asked = find<Incident>("incident", { where: `id:${id}`, descending: true });
  const [incident] = newestOf(asked.data?.body ?? []);
  const title = incident ? t("heading", { playbook: incident.playbook, target: target(incident) }) : t("title");
  return (
    <Page title={title} aside={incident && <Badge tone={STATE_TONES[incident.state]}>{incidentText(incident.state)}</Badge>}>
      <Answered query={asked} lines={8}>
        {() => (incident === undefined ? <EmptyState title={t("notFound", { id })} /> : <OneIncident incident={incident} />)}
      </Answered>
    </Page>
  );
}

/** Nanoseconds as a text, some seconds from others. */
function shifted(ns: number, seconds: number): string {
  return `${Math.round(ns / 1e6 + seconds * 1_000)}000000`;
}

function OneIncident({ incident }: { incident: Incident }) {
  const setRange = useSetRange();
  const opened = milliseconds(incident.opened);
  const ended = incident.ended > 0 ? milliseconds(incident.ended) : null;
  const { environment } = incident;
  const audit = find<AuditRecord>("audit", { where: `incident:${incident.id}`, sort: "sequence" });
  const changes = find<AlertChange>("alert", { where: `fingerprint:${incident.fingerprint}`, since: shifted(incident.opened, -86_400) });
  const notifications = find<Notification>("notification", { where: `alerts:${incident.fingerprint}`, since: shifted(incident.opened, -3_600) });
  const anomalies = find<AnomalyBody>("anomaly", { environment, where: `service:${incident.service}`, since: shifted(incident.opened, -1_800), until: incident.ended > 0 ? shifted(incident.ended, 600) : undefined });
  const before = find<RankingBody>("culprit", { environment, until: shifted(incident.opened, 0.001), descending: true, limit: 1 });
  const after = find<RankingBody>("culprit", { environment, since: shifted(incident.opened, 0), limit: 1 });
  const [loaded] = useState(Date.now);
  const now = Math.max(loaded, ended ?? Date.now());
  const records = audit.data?.body ?? [];
  const events = useMemo(
    () => eventsOf(incident, anomalies.data?.body ?? [], changes.data?.body ?? [], audit.data?.body ?? [], notifications.data?.body ?? []),
    [incident, anomalies.data, changes.data, audit.data, notifications.data],
  );
  const axis = useMemo(() => axisOf(events, opened, ended, now), [events, opened, ended, now]);
  const traces = [...new Set([...incident.trace_ids, ...(anomalies.data?.body ?? []).flatMap((each) => each.trace_ids)])];
  return (
    <>
      <p className="lead">
        {incident.state === "approving"
          ? t("asked", { time: dateTime(milliseconds(incident.approve_by)) })
          : isOpen(incident)
            ? t("open", { time: dateTime(opened) })
            : t("endedAs", { duration: duration(incident.ended - incident.opened), why: incident.why })}
      </p>
      <Actions incident={incident} audit={records} />
      <StopSwitch />
      <section className="panel" aria-label={t("lanes")}>
        <div className="lane-head">
          <h2>{t("lanes")}</h2>
          <button type="button" className="button small" onClick={() => setRange(absolute(axis.since, axis.until))}>
            {t("around")}
          </button>
        </div>
        <Answered query={audit}>{() => <Lanes events={events} axis={axis} opened={opened} now={now} />}</Answered>
      </section>
      <div className="columns">
        <section className="panel" aria-label={t("ranking")}>
          <h2>{t("ranking")}</h2>
          <Answered query={before}>
            {(found) => (
              <Answered query={after}>{(next) => <Ranking ranking={rankingOf(found, next)} opened={opened} />}</Answered>
            )}
          </Answered>
        </section>
        <section className="panel" aria-label={t("audit")}>
          <h2>{t("audit")}</h2>
          <Answered query={audit}>{(found) => <AuditList records={found} opened={incident.opened} />}</Answered>
        </section>
      </div>
      <Graphs incident={incident} changes={changes.data?.body ?? []} axis={axis} />
      <Steps incident={incident} />
      <div className="columns">
        <Callers service={incident.service} environment={environment} />
        <Traces ids={traces} service={incident.service} axis={axis} known={anomalies.data !== undefined} />
      </div>
      <section className="panel" aria-label={t("facts")}>
        <h2>{t("facts")}</h2>
        <dl className="facts">
          <dt>{t("id")}</dt>
          <dd className="mono">
            {incident.id} <Copy text={incident.id} />
          </dd>
          <dt>{t("environment")}</dt>
          <dd>{environment}</dd>
          <dt>{t("opened")}</dt>
          <dd>
            {dateTime(opened)} ({clock(opened, true)})
          </dd>
          <dt>{t("attempt")}</dt>
          <dd>{incident.attempt ?? 1}</dd>
          <dt>{t("radius")}</dt>
          <dd>{t("radiusText", { instances: incident.instances, share: percent(incident.traffic_share) })}</dd>
          <dt>{t("source")}</dt>
          <dd>
            {incident.source === "alert" ? (
              <Link to="/alerts/$fingerprint" params={{ fingerprint: incident.fingerprint }}>
                {incident.labels["alertname"] ?? incident.fingerprint}
              </Link>
            ) : (
              incident.source
            )}
          </dd>
          <dt>{t("labels")}</dt>
          <dd>
            {Object.entries(incident.labels).map(([name, value]) => (
              <code key={name} className="label">
                {name}={value}
              </code>
            ))}
          </dd>
        </dl>
      </section>
    </>
  );
}
