import { useMemo } from "react";

import { milliseconds } from "../../api/client";
import { useApi } from "../../api/queries";
import { Chart } from "../../shared/Chart";
import { duration, percent, rate } from "../../shared/format";
import { Answered } from "../../shared/States";
import type { Between } from "../../shell/range";
import type { RedAnswer } from "./api";
import { t } from "./strings";

/** Rate, error rate and latency of a service or an edge over the range. */
export function Series({ params }: { params: Record<string, string> }) {
  const asked = useApi<RedAnswer>("/api/v1/red", params);
  return (
    <Answered query={asked} lines={4}>
      {(red, axis) => <Charts red={red} axis={axis} />}
    </Answered>
  );
}

const HEIGHT = 64;

function Charts({ red, axis }: { red: RedAnswer; axis: Between }) {
  const times = useMemo(() => red.times.map(milliseconds), [red]);
  const shared = { times, axis, step: milliseconds(red.step), height: HEIGHT, sync: "map" };
  return (
    <>
      <Chart {...shared} title={t("rate")} format={rate} series={[{ label: t("rate"), color: "--c1", values: red.rate }]} />
      <Chart {...shared} title={t("errorRate")} format={percent} series={[{ label: t("errorRate"), color: "--bad", values: red.error_rate }]} />
      <Chart
        {...shared}
        title={t("latency")}
        format={duration}
        series={[
          { label: t("p50"), color: "--c3", values: red.p50 },
          { label: t("p95"), color: "--c2", values: red.p95 },
          { label: t("p99"), color: "--c4", values: red.p99 },
        ]}
      />
    </>
  );
}
