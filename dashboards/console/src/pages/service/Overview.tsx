import { useMemo } from "react";

import type { AnomaliesAnswer, RedAnswer, ServiceAnswer } from "../../api/numbers";
import { useApi } from "../../api/queries";
import { bandsOf, deploysOf } from "../../shared/red/annotations";
import { RedCharts } from "../../shared/red/RedCharts";
import { Answered } from "../../shared/States";
import type { Between } from "../../shell/range";

/** Rate, errors and latency with anomalies and deploys, and how durations spread. */
export function Overview({ service }: { service: ServiceAnswer }) {
  const red = useApi<RedAnswer>("/api/v1/red", { service: service.name });
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
  const bands = useMemo(() => bandsOf(anomalies?.anomalies ?? []), [anomalies]);
  const markers = useMemo(() => deploysOf(service.versions, axis), [service.versions, axis]);
  return (
    <>
      <RedCharts red={red} axis={axis} bands={bands} markers={markers} />
    </>
  );
}
