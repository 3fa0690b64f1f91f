import { languageStore } from "../i18n";
import { now as serverNow } from "../shell/serverClock";

/** What stands for a value that is not known. */
export const UNKNOWN = "—";

const locale = () => (languageStore.get() === "zh" ? "zh-CN" : "en-US");

/** Three digits that count: 1234, 123, 12.3, 1.23. */
function digits(value: number): string {
  const size = Math.abs(value);
  const decimals = size >= 100 || value === 0 ? 0 : size >= 10 ? 1 : 2;
  return Number(value.toFixed(decimals)).toString();
}

/** A duration of nanoseconds: `64 µs`, `5.2 ms`, `1.3 s`, `2m 05s`, `3h 20m`, `2d 4h`. */
export function duration(ns: number | null | undefined): string {
  if (ns == null) return UNKNOWN;
  const size = Math.abs(ns);
  if (size < 999.5) return `${digits(ns)} ns`;
  if (size < 999_500) return `${digits(ns / 1e3)} µs`;
  if (size < 999_500_000) return `${digits(ns / 1e6)} ms`;
  if (size < 59.95e9) return `${digits(ns / 1e9)} s`;
  const seconds = Math.round(size / 1e9);
  const sign = ns < 0 ? "-" : "";
  const two = (value: number) => String(value).padStart(2, "0");
  if (seconds < 3_600) return `${sign}${Math.floor(seconds / 60)}m ${two(seconds % 60)}s`;
  if (seconds < 86_400) return `${sign}${Math.floor(seconds / 3_600)}h ${two(Math.floor((seconds % 3_600) / 60))}m`;
  return `${sign}${Math.floor(seconds / 86_400)}d ${Math.floor((seconds % 86_400) / 3_600)}h`;
}

/** Of a second: `12.3/s`. */
export function rate(value: number | null | undefined): string {
  if (value == null) return UNKNOWN;
  return value > 0 && value < 0.005 ? "<0.01/s" : `${compact(value)}/s`;
}

/** A share of 1 as a percentage: `1.36%`; never `0%` for what is not nothing. */
export function percent(share: number | null | undefined): string {
  if (share == null) return UNKNOWN;
  return share > 0 && share < 0.00005 ? "<0.01%" : `${digits(share * 100)}%`;
}

/** A whole number, grouped. */
export function count(value: number | null | undefined): string {
  return value == null ? UNKNOWN : value.toLocaleString(locale());
}

/** A number in few characters: `12.3k`, `4.56M`. */
export function compact(value: number | null | undefined): string {
  if (value == null) return UNKNOWN;
  const size = Math.abs(value);
  if (size < 1_000) return digits(value);
  if (size < 999_500) return `${digits(value / 1e3)}k`;
  return size < 999_500_000 ? `${digits(value / 1e6)}M` : `${digits(value / 1e9)}G`;
}

/** `4.2 MiB`. */
export function bytes(value: number | null | undefined): string {
  if (value == null) return UNKNOWN;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const step = value < 1 ? 0 : Math.min(Math.floor(Math.log2(value) / 10), 4);
  return `${digits(value / 1024 ** step)} ${units[step]}`;
}

const two = (value: number, width = 2) => String(value).padStart(width, "0");

/** The time of day where the reader is: `14:03:07`, with milliseconds where asked. */
export function clock(ms: number, fraction = false): string {
  const date = new Date(ms);
  const text = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return fraction ? `${text}.${two(date.getMilliseconds(), 3)}` : text;
}

/** `2026-01-02 14:03:07`, where the reader is. */
export function dateTime(ms: number, fraction = false): string {
  const date = new Date(ms);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clock(ms, fraction)}`;
}

/** The time of day where it is of today, else with the date. */
export function moment(ms: number, now = serverNow()): string {
  return new Date(ms).toDateString() === new Date(now).toDateString() ? clock(ms) : dateTime(ms);
}

const RELATIVE: [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", 1_000],
];

/** `5 min. ago`, in the reader's language. */
export function ago(ms: number, now = serverNow()): string {
  const since = now - ms;
  const format = new Intl.RelativeTimeFormat(locale(), { numeric: "always", style: "short" });
  for (const [unit, size] of RELATIVE) {
    if (Math.abs(since) >= size * (unit === "second" ? 0 : 1.5)) return format.format(-Math.round(since / size), unit);
  }
  return format.format(0, "second");
}
