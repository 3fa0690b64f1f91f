import { Link, useParams } from "@tanstack/react-router";
import { useMemo, useState } from "react";

import { milliseconds } from "../../api/client";
import type { IncidentDetail } from "../../api/numbers";
import { useApi } from "../../api/queries";
import { said } from "../../i18n/sentences";
import { Badge } from "../../shared/Badge";
import { Copy } from "../../shared/Copy";
import { clock, dateTime, duration, percent } from "../../shared/format";
import { Answered, EmptyState } from "../../shared/States";
import { Page } from "../../shell/Page";
import { absolute } from "../../shell/range";
import { now } from "../../shell/serverClock";
import { useSetRange } from "../../shell/useRange";
import { StopSwitch } from "../incidents/StopSwitch";
import { t as incidentText } from "../incidents/strings";
import { STATE_TONES, target } from "../incidents/model";
import { Actions } from "./Actions";
import { Lanes } from "./Lanes";
import { axisOf, eventsOf } from "./lanes";
import { AuditList, CallersThen, Graphs, Steps, Traces } from "./Parts";
import { Ranking } from "./Ranking";
import { t } from "./strings";
import "../../shared/ops.css";
import "./incident.css";

export default function IncidentPage() {
  const { incident: id = "" } = useParams({ strict: false });
  const asked = useApi<IncidentDetail>(`/api/v1/incidents/${encodeURIComponent(id)}`, {}, { ranged: false });
  const incident = asked.data?.body;
  const title = incident ? t("heading", { playbook: incident.playbook, target: target(incident) }) : t("title");
  return (
    <Page title={title} aside={incident && <Badge tone={STATE_TONES[incident.state]}>{incidentText(incident.state)}</Badge>}>
      {asked.error?.status === 404 ? (
        <EmptyState title={t("notFound", { id })} />
      ) : (
        <Answered query={asked} lines={8}>
          {(body) => <OneIncident incident={body} />}
        </Answered>
      )}
    </Page>
  );
}

function OneIncident({ incident }: { incident: IncidentDetail }) {
  const setRange = useSetRange();
  const opened = milliseconds(incident.opened);
  const ended = incident.ended === null ? null : milliseconds(incident.ended);
  const [loaded] = useState(now);
  const moment = Math.max(loaded, ended ?? now());
  const events = useMemo(() => eventsOf(incident), [incident]);
  const axis = useMemo(() => axisOf(events, opened, ended, moment), [events, opened, ended, moment]);
  return (
    <>
      <p className="lead">
        {incident.approve_by !== null && incident.can_approve
          ? t("asked", { time: dateTime(milliseconds(incident.approve_by)) })
          : incident.ended === null
            ? t("open", { time: dateTime(opened) })
            : t("endedAs", { duration: duration(incident.ended - incident.opened), why: said(incident.why, incident.why_parts) })}
      </p>
      <Actions incident={incident} />
      <StopSwitch />
      <section className="panel" aria-label={t("lanes")}>
        <div className="lane-head">
          <h2>{t("lanes")}</h2>
          <button type="button" className="button small" onClick={() => setRange(absolute(axis.since, axis.until))}>
            {t("around")}
          </button>
        </div>
        <Lanes events={events} axis={axis} opened={opened} now={moment} />
      </section>
      <div className="columns">
        <section className="panel" aria-label={t("ranking")}>
          <h2>{t("ranking")}</h2>
          <Ranking ranking={incident.ranking} opened={opened} />
        </section>
        <section className="panel" aria-label={t("audit")}>
          <h2>{t("audit")}</h2>
          <AuditList records={incident.audit} opened={incident.opened} />
        </section>
      </div>
      <Graphs incident={incident} axis={axis} />
      <Steps incident={incident} />
      <div className="columns">
        <CallersThen service={incident.service} callers={incident.callers} />
        <Traces ids={incident.trace_ids} service={incident.service} axis={axis} known />
      </div>
      <section className="panel" aria-label={t("facts")}>
        <h2>{t("facts")}</h2>
        <dl className="facts">
          <dt>{t("id")}</dt>
          <dd className="mono">
            {incident.id} <Copy text={incident.id} />
          </dd>
          <dt>{t("environment")}</dt>
          <dd>{incident.environment}</dd>
          <dt>{t("opened")}</dt>
          <dd>
            {dateTime(opened)} ({clock(opened, true)})
          </dd>
          <dt>{t("attempt")}</dt>
          <dd>{incident.attempt}</dd>
          <dt>{t("radius")}</dt>
          <dd>{t("radiusText", { instances: incident.blast_radius.instances, share: percent(incident.blast_radius.traffic_share) })}</dd>
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
