import { useMemo } from "react";

import { milliseconds } from "../../api/client";
import type { RedAnswer } from "../../api/numbers";
import type { Between } from "../../shell/range";
import { Chart } from "../Chart";
import type { Band, Marker } from "../chartOptions";
import { duration, percent, rate } from "../format";
import { t } from "./strings";
import "./red.css";

interface Props {
  red: RedAnswer;
  axis: Between;
  bands?: readonly Band[];
  markers?: readonly Marker[];
  height?: number;
}

/** Rate, error rate and latency over the range, one pointer for the three. */
export function RedCharts({ red, axis, bands = [], markers = [], height = 150 }: Props) {
  const times = useMemo(() => red.times.map(milliseconds), [red]);
  const failed = useMemo(() => red.failures.map((count) => (count === null ? null : count / (red.step / 1e9))), [red]);
  const shared = { times, axis, bands, markers, height, step: milliseconds(red.step), sync: "red" };
  return (
    <div className="red-charts">
      <Chart
        {...shared}
        title={t("rate")}
        format={rate}
        series={[
          { label: t("rate"), color: "--c1", values: red.rate, filled: true },
          { label: t("failed"), color: "--bad", values: failed },
        ]}
      />
      <Chart {...shared} title={t("errorRate")} format={percent} series={[{ label: t("errorRate"), color: "--bad", values: red.error_rate, filled: true }]} />
      <Chart
        {...shared}
        title={t("latency")}
        format={duration}
        series={[
          { label: "p50", color: "--c3", values: red.p50 },
          { label: "p95", color: "--c2", values: red.p95 },
          { label: "p99", color: "--c4", values: red.p99 },
        ]}
      />
    </div>
  );
}
