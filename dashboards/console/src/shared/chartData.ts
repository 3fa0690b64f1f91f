import type { Between } from "../shell/range";

export type Values = readonly (number | null)[];

/**
 * Times and values as a chart draws them: where two times are further apart than `step` and a half, a null between them
 * makes a gap. Nothing is drawn over time of which nothing is known.
 */
export function withGaps(times: readonly number[], series: readonly Values[], step: number | undefined): [number[], ...(number | null)[][]] {
  const outTimes: number[] = [];
  const out: (number | null)[][] = series.map(() => []);
  times.forEach((time, index) => {
    const before = times[index - 1];
    if (step !== undefined && before !== undefined && time - before > step * 1.5) {
      outTimes.push(before + step);
      for (const values of out) values.push(null);
    }
    outTimes.push(time);
    series.forEach((values, at) => out[at]?.push(values[index] ?? null));
  });
  return [outTimes, ...out];
}

/** Indexes of values that have no neighbour: a line would not show them, so they are drawn as points. */
export function lonely(values: Values): number[] {
  return values.flatMap((value, at) => (value != null && values[at - 1] == null && values[at + 1] == null ? [at] : []));
}

/** The newest value that is known, the smallest and the largest; null where there is none. */
export function summary(values: Values): { last: number; min: number; max: number } | null {
  let last: number | null = null;
  let [min, max] = [Infinity, -Infinity];
  for (const value of values) {
    if (value == null) continue;
    last = value;
    min = Math.min(min, value);
    max = Math.max(max, value);
  }
  return last === null ? null : { last, min, max };
}

/** The span of time at both ends of a drag, in order and inside of the axis; null of a click. */
export function dragged(a: number, b: number, axis: Between): Between | null {
  const since = Math.max(Math.min(a, b), axis.since);
  const until = Math.min(Math.max(a, b), axis.until);
  return until - since >= 1 ? { since: Math.floor(since), until: Math.ceil(until) } : null;
}

/** Labels of an axis of time: with the date where the axis is longer than a day, with seconds where it is short. */
export function timeLabel(ms: number, axis: Between): string {
  const date = new Date(ms);
  const two = (value: number) => String(value).padStart(2, "0");
  const hours = `${two(date.getHours())}:${two(date.getMinutes())}`;
  const length = axis.until - axis.since;
  if (length <= 600_000) return `${hours}:${two(date.getSeconds())}`;
  if (length <= 86_400_000) return hours;
  const day = `${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return length <= 4 * 86_400_000 ? `${day} ${hours}` : day;
}
