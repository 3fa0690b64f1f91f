/** Time ranges: as the address has them (`from=now-15m`, or ISO 8601), and as milliseconds since the epoch. */

export const DEFAULT_FROM = "now-15m";
export const DEFAULT_TO = "now";

export interface Range {
  /** As in the address. */
  from: string;
  to: string;
}

/** Milliseconds since the epoch; `since < until`. */
export interface Between {
  since: number;
  until: number;
}

const UNITS: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

export const PRESETS = ["now-5m", "now-15m", "now-1h", "now-6h", "now-24h", "now-7d", "now-30d"] as const;

/** Milliseconds since the epoch of `now`, `now-90m` or an ISO time; null of anything else. */
export function parseTime(text: string, now: number): number | null {
  if (text === "now") return now;
  const relative = /^now-(\d{1,6})([smhdw])$/.exec(text);
  if (relative) return now - Number(relative[1]) * (UNITS[relative[2] ?? ""] ?? 0);
  if (!/^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?)?$/.test(text)) return null;
  const absolute = Date.parse(text.replace(" ", "T"));
  return Number.isNaN(absolute) ? null : absolute;
}

/** The range of an address; what cannot be read or is empty becomes the default, and `wrong` says so. */
export function parseRange(from: string | undefined, to: string | undefined): Range & { wrong: boolean } {
  const asked = { from: from || DEFAULT_FROM, to: to || DEFAULT_TO };
  const between = [parseTime(asked.from, 0), parseTime(asked.to, 0)];
  const relative = asked.from.startsWith("now") === asked.to.startsWith("now");
  const ordered = between[0] != null && between[1] != null && (!relative || between[0] < between[1]);
  return ordered ? { ...asked, wrong: false } : { from: DEFAULT_FROM, to: DEFAULT_TO, wrong: true };
}

/** The range at a moment. A range that would be empty (a begin after now) becomes one second. */
export function resolve(range: Range, now: number): Between {
  const since = parseTime(range.from, now) ?? now - 900_000;
  const until = parseTime(range.to, now) ?? now;
  return { since, until: Math.max(until, since + 1_000) };
}

/** Whether its end moves with the clock. */
export function isLive(range: Range): boolean {
  return range.to.startsWith("now");
}

/** The range of two moments, as an address has it. */
export function absolute(since: number, until: number): Range {
  return { from: new Date(since).toISOString(), to: new Date(Math.max(until, since + 1_000)).toISOString() };
}

/** A range around a moment, for links such as "around this alert". */
export function around(moment: number, before = 900_000, after = 900_000): Range {
  return absolute(moment - before, moment + after);
}

/** Twice as long with the same middle; of a live range, twice as far back. */
export function zoomOut(range: Range, now: number): Range {
  const { since, until } = resolve(range, now);
  const half = (until - since) / 2;
  return isLive(range) ? { from: `now-${Math.round((until - since) / 500)}s`, to: "now" } : absolute(since - half, until + half);
}

/** The range before or after this one. */
export function shift(range: Range, now: number, direction: -1 | 1): Range {
  const { since, until } = resolve(range, now);
  const length = until - since;
  return absolute(since + direction * length, until + direction * length);
}
