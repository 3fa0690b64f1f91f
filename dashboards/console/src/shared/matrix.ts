/** The answer of Prometheus' query_range as lines of one chart. */

export type Matrix = { metric: Record<string, string>; values: [number, string][] }[];

const MOST_SERIES = 8;
const POINTS = 240;
const STEPS = [1, 5, 10, 15, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 21_600, 86_400];

/** Seconds between two points, so that a range has some 240 at most. */
export function stepOf(seconds: number): number {
  return STEPS.find((step) => seconds / step <= POINTS) ?? 86_400;
}

/** Whether a series may be that of an alert: no label that both have differs. */
export function agrees(metric: Record<string, string>, labels: Record<string, string>): boolean {
  return Object.entries(metric).every(([name, value]) => name === "__name__" || labels[name] === undefined || labels[name] === value);
}

/** Lines over the same times; null where a series has no sample. Past eight series the others are counted in `more`. */
export function matrixSeries(matrix: Matrix, start: number, end: number, step: number, labels?: Record<string, string>) {
  const fitting = labels === undefined ? matrix : matrix.filter((each) => agrees(each.metric, labels));
  const chosen = fitting.length > 0 ? fitting : matrix;
  const times: number[] = [];
  for (let time = start; time <= end; time += step) times.push(time * 1_000);
  const series = chosen.slice(0, MOST_SERIES).map((each) => {
    const values: (number | null)[] = times.map(() => null);
    for (const [time, text] of each.values) {
      const at = Math.round((time - start) / step);
      const value = Number(text);
      if (at >= 0 && at < values.length && Number.isFinite(value)) values[at] = value;
    }
    return { name: nameOf(each.metric), values };
  });
  return { times, series, more: chosen.length - series.length };
}

/** `name{a="b"}`, or the labels alone. */
export function nameOf(metric: Record<string, string>): string {
  const { __name__: name = "", ...labels } = metric;
  const inner = Object.entries(labels)
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([label, value]) => `${label}="${value}"`)
    .join(", ");
  return inner ? `${name}{${inner}}` : name || "value";
}
