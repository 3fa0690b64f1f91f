/** What a range query answers, as a chart draws it. */

export type Labels = Record<string, string>;

export interface RangeAnswer {
  status: string;
  data: { resultType: string; result: { metric: Labels; values?: [number, string][]; value?: [number, string] }[] };
  warnings?: string[];
  infos?: string[];
}

export interface Line {
  labels: Labels;
  name: string;
  values: (number | null)[];
}

/** Lines that are drawn; the rest are counted. */
export const MOST_LINES = 20;

/** Times in milliseconds of all series together, and of each series its values there; null where it has none. */
export function linesOf(answer: RangeAnswer): { times: number[]; lines: Line[]; more: number } {
  const all = answer.data.result;
  const shown = all.slice(0, MOST_LINES);
  const places = new Map<number, number>();
  const times = [...new Set(shown.flatMap(({ values = [] }) => values.map(([time]) => Math.round(time * 1000))))].sort((a, b) => a - b);
  times.forEach((time, place) => places.set(time, place));
  const lines = shown.map(({ metric, values = [] }) => {
    const line: (number | null)[] = times.map(() => null);
    for (const [time, value] of values) line[places.get(Math.round(time * 1000)) as number] = number(value);
    return { labels: metric, name: nameOf(metric), values: line };
  });
  return { times, lines, more: all.length - shown.length };
}

/** Not a number and infinity cannot be drawn. */
function number(text: string): number | null {
  const value = Number(text);
  return Number.isFinite(value) ? value : null;
}

/** A series as PromQL writes it. */
export function nameOf(labels: Labels): string {
  const { __name__: metric = "", ...rest } = labels;
  const named = Object.keys(rest)
    .sort()
    .map((name) => `${name}="${rest[name]}"`);
  return named.length > 0 || !metric ? `${metric}{${named.join(", ")}}` : metric;
}

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 43_200, 86_400];
const POINTS = 240;

/** Seconds between two points: round, and at most some hundred in the range. */
export function stepFor(milliseconds: number): number {
  const least = milliseconds / 1000 / POINTS;
  return STEPS.find((step) => step >= least) ?? Math.ceil(least / 86_400) * 86_400;
}
