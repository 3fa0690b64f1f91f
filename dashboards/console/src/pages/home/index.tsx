import { useMemo } from "react";

import { useApi } from "../../api/queries";
import type { AnomaliesAnswer, Deploy, IncidentsAnswer, RedAnswer, ServicesAnswer } from "../../api/numbers";
import { AnomalyList } from "../../shared/red/AnomalyList";
import { bandsOf, repairsOf, rolloutsOf } from "../../shared/red/annotations";
import { RedCharts } from "../../shared/red/RedCharts";
import { ServiceTable } from "../../shared/red/ServiceTable";
import { Answered } from "../../shared/States";
import type { Between } from "../../shell/range";
import { Page } from "../../shell/Page";
import { FirstSteps } from "./FirstSteps";
import { OpenIncidents } from "./OpenIncidents";
import { t } from "./strings";
import "./home.css";

const SHOWN_ANOMALIES = 20;

/** What is wrong now, how the traffic goes, and which services are the most unusual. */
export default function HomePage() {
  const red = useApi<RedAnswer>("/api/v1/red");
  const services = useApi<ServicesAnswer>("/api/v1/services");
  const anomalies = useApi<AnomaliesAnswer>("/api/v1/anomalies", { limit: 200 });
  const repairs = useApi<IncidentsAnswer>("/api/v1/incidents", { state: "all" });
  const nothing = services.data?.body.services.length === 0 && !services.isPlaceholderData;
  const found = anomalies.data?.body;
  return (
    <Page title={t("title")}>
      <OpenIncidents anomalies={nothing ? undefined : found?.total} />
      {nothing ? (
        <FirstSteps />
      ) : (
        <>
          <section className="panel" aria-label={t("traffic")}>
            <Answered query={red} lines={6}>
              {(body, axis) => <Traffic red={body} axis={axis} anomalies={found} repairs={repairs.data?.body} deploys={services.data?.body.deploys} />}
            </Answered>
          </section>
          <section>
            <h2>{t("services")}</h2>
            <Answered query={services} lines={8}>
              {(body) => <ServiceTable services={body.services} />}
            </Answered>
          </section>
        </>
      )}
      {found && found.total > 0 && (
        <section>
          <h2>{t("anomalies")}</h2>
          <AnomalyList anomalies={found.anomalies.slice(0, SHOWN_ANOMALIES)} total={found.total} />
        </section>
      )}
    </Page>
  );
}

interface TrafficProps {
  red: RedAnswer;
  axis: Between;
  anomalies: AnomaliesAnswer | undefined;
  repairs: IncidentsAnswer | undefined;
  deploys: readonly Deploy[] | undefined;
}

function Traffic({ red, axis, anomalies, repairs, deploys }: TrafficProps) {
  const bands = useMemo(() => bandsOf(anomalies?.anomalies ?? []), [anomalies]);
  const markers = useMemo(
    () => [...rolloutsOf(deploys ?? [], axis), ...repairsOf(repairs?.incidents ?? [], axis)],
    [repairs, deploys, axis],
  );
  return <RedCharts red={red} axis={axis} bands={bands} markers={markers} />;
}
