/** Exemplars as Prometheus' API has them. */

import type { Labels } from "./matrix";

export interface ExemplarAnswer {
  data: { seriesLabels: Labels; exemplars: { labels: Labels; value: string; timestamp: number }[] }[];
}

export interface Shown {
  series: Labels;
  value: number;
  /** Milliseconds. */
  time: number;
  trace: string;
  span: string;
}

/** Those with a trace, the largest values first, at most `most`. */
export function slowest(answer: ExemplarAnswer, most: number): Shown[] {
  return answer.data
    .flatMap(({ seriesLabels, exemplars }) =>
      exemplars.map(({ labels, value, timestamp }) => ({
        ...{ series: seriesLabels, value: Number(value), time: timestamp * 1000 },
        ...{ trace: labels["trace_id"] ?? "", span: labels["span_id"] ?? "" },
      })),
    )
    .filter(({ trace, value }) => trace !== "" && Number.isFinite(value))
    .sort((a, b) => b.value - a.value)
    .slice(0, most);
}

/** Whether an expression's values are what its exemplars measured, such as seconds, and not how many there were. */
export function measures(expression: string): boolean {
  return /\bhistogram_(quantile|quantiles|avg|stddev)\s*\(/.test(expression);
}
