import { dateTime, moment } from "../shared/format";
import { isLive, parseTime, type Range } from "./range";
import { t } from "./strings";

const UNIT_KEYS = { s: "seconds", m: "minutes", h: "hours", d: "days", w: "weeks" } as const;

/** A range in words: `Last 15 minutes`, or its two moments. */
export function rangeText(range: Range, now: number): string {
  const relative = /^now-(\d+)([smhdw])$/.exec(range.from);
  if (relative && range.to === "now") {
    const count = Number(relative[1]);
    return t("last", { length: t(UNIT_KEYS[relative[2] as keyof typeof UNIT_KEYS], { count }) });
  }
  const since = parseTime(range.from, now) ?? now;
  const until = parseTime(range.to, now) ?? now;
  const end = new Date(since).toDateString() === new Date(until).toDateString() ? moment(until, until) : dateTime(until);
  return `${moment(since, now)} – ${isLive(range) && range.to === "now" ? t("now") : end}`;
}

/** A moment as `<input type="datetime-local">` has it: where the reader is. */
export function localInput(ms: number): string {
  return dateTime(ms).replace(" ", "T");
}
