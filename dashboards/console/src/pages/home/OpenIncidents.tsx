import { Link } from "@tanstack/react-router";

import { milliseconds } from "../../api/client";
import type { IncidentsAnswer, IncidentSummary } from "../../api/numbers";
import { useApi } from "../../api/queries";
import { said } from "../../i18n/sentences";
import { Badge } from "../../shared/Badge";
import { ago, dateTime, percent } from "../../shared/format";
import { Answered } from "../../shared/States";
import { now } from "../../shell/serverClock";
import { useShellState } from "../../shell/useRange";
import { Actions } from "../incident/Actions";
import { byUrgency, STATE_TONES } from "../incidents/model";
import { StopSwitch } from "../incidents/StopSwitch";
import { t as incidentsText } from "../incidents/strings";
import { t } from "./strings";
import "../incident/incident.css";
import "../../shared/ops.css";

/** Incidents that are open, whatever the range; where there is none, a line that says so once it is known. */
export function OpenIncidents({ anomalies }: { anomalies: number | undefined }) {
  const { environment } = useShellState();
  const query = useApi<IncidentsAnswer>("/api/v1/incidents", { state: "open", environment }, { ranged: false, every: 10_000 });
  return (
    <section aria-label={t("incidents")}>
      <Answered query={query} lines={1}>
        {({ incidents }) =>
          incidents.length > 0 ? (
            <>
              <StopSwitch quiet />
              <div className="home-cards">
                {byUrgency(incidents).map((incident) => (
                  <IncidentCard key={incident.id} incident={incident} />
                ))}
              </div>
            </>
          ) : (
            <p className={`home-calm ${anomalies ? "odd" : ""}`}>{anomalies ? t("calmButOdd", { count: anomalies }) : anomalies === 0 ? t("calm") : null}</p>
          )
        }
      </Answered>
    </section>
  );
}

function IncidentCard({ incident }: { incident: IncidentSummary }) {
  const { blast_radius: reach, cause } = incident;
  const opened = milliseconds(incident.opened);
  return (
    <article className="panel home-card">
      <h2>
        <Link to="/incidents/$incident" params={{ incident: incident.id }}>
          {incident.service || incident.playbook}
        </Link>{" "}
        <Badge tone={STATE_TONES[incident.state]}>{incidentsText(incident.state)}</Badge>
      </h2>
      <p>{(cause && said(cause.text, cause.text_parts)) || said(incident.why, incident.why_parts) || t("noCause", { playbook: incident.playbook })}</p>
      {cause && cause.service !== incident.service && <p>{t("rootCause", { service: cause.service })}</p>}
      <p className="quiet">
        <time dateTime={new Date(opened).toISOString()} title={dateTime(opened)}>
          {t("since", { time: ago(opened, now()) })}
        </time>{" "}
        · {t("reach", { share: percent(reach.traffic_share), count: reach.instances })}
      </p>
      <Actions incident={incident} small />
      <Link className="button small" to="/incidents/$incident" params={{ incident: incident.id }}>
        {t("look")}
        <span className="hidden"> {incident.service}</span>
      </Link>
    </article>
  );
}
