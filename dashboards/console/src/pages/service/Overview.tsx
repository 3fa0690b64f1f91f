import { useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";

import { milliseconds } from "../../api/client";
import type { AnomaliesAnswer, RedAnswer, ServiceAnswer } from "../../api/numbers";
import { useApi } from "../../api/queries";
import { count } from "../../shared/format";
import { Heatmap } from "../../shared/Heatmap";
import { bandsOf, deploysOf } from "../../shared/red/annotations";
import { RedCharts } from "../../shared/red/RedCharts";
import { Answered } from "../../shared/States";
import { absolute, type Between } from "../../shell/range";
import { ofService } from "./query";
import { t } from "./strings";

/** Rate, errors and latency with anomalies and deploys, and how durations spread. */
export function Overview({ service }: { service: ServiceAnswer }) {
  const red = useApi<RedAnswer>("/api/v1/red", { service: service.name, heatmap: true });
  const anomalies = useApi<AnomaliesAnswer>("/api/v1/anomalies", { service: service.name, limit: 100 });
  return (
    <section className="panel">
      <Answered query={red} lines={6}>
        {(body, axis) => <Drawn red={body} axis={axis} service={service} anomalies={anomalies.data?.body} />}
      </Answered>
    </section>
  );
}

interface Props {
  red: RedAnswer;
  axis: Between;
  service: ServiceAnswer;
  anomalies: AnomaliesAnswer | undefined;
}

function Drawn({ red, axis, service, anomalies }: Props) {
  const navigate = useNavigate();
  const bands = useMemo(() => bandsOf(anomalies?.anomalies ?? []), [anomalies]);
  const markers = useMemo(() => deploysOf(service.versions, axis), [service.versions, axis]);
  const { heatmap } = red;
  return (
    <>
      <RedCharts red={red} axis={axis} bands={bands} markers={markers} />
      {heatmap && heatmap.most > 0 && (
        <div className="service-heatmap">
          <h2>{t("heatmap")}</h2>
          <Heatmap
            label={t("latencyMap")}
            data={{ since: red.times[0] ?? red.since, step: red.step, bounds: heatmap.bounds, counts: heatmap.counts }}
            count={(calls) => t("calls", { count: calls === 1 ? 1 : count(calls) })}
            onPick={(picked) => {
              const range = absolute(milliseconds(picked.since), milliseconds(picked.until));
              const conditions = [
                ofService(service.name),
                ...(picked.low === null ? [] : [`duration>=${Math.floor(picked.low / 1e3)}us`]),
                ...(picked.high === null ? [] : [`duration<=${Math.ceil(picked.high / 1e3)}us`]),
              ];
              void navigate({ to: "/traces", search: { q: conditions.join(" and "), ...range } });
            }}
          />
        </div>
      )}
    </>
  );
}
