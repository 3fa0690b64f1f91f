/** Round moments of a time axis. */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200].map((seconds) => seconds * SECOND);

export interface Tick {
  /** Milliseconds since the epoch. */
  at: number;
  text: string;
}

/** At most `most` moments of a range, ms, at round times of day where the reader is; beyond some days, at midnights. */
export function timeTicks(since: number, until: number, most: number): Tick[] {
  const length = until - since;
  if (!(length > 0) || most < 1) return [];
  const step = STEPS.find((each) => length / each <= most) ?? Math.ceil(length / most / DAY) * DAY;
  const midnight = new Date(since).setHours(0, 0, 0, 0);
  const found: Tick[] = [];
  // By index, not by adding: a day of a change of the clocks is not 24 hours long.
  for (let index = Math.ceil((since - midnight) / step); found.length <= most; index += 1) {
    const at = step < DAY ? midnight + index * step : new Date(midnight).setDate(new Date(midnight).getDate() + index * (step / DAY));
    if (at > until) break;
    if (at >= since) found.push({ at, text: textOf(at, step) });
  }
  return found;
}

function textOf(ms: number, step: number): string {
  const date = new Date(ms);
  const two = (value: number) => String(value).padStart(2, "0");
  if (step >= DAY) return `${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const minutes = `${two(date.getHours())}:${two(date.getMinutes())}`;
  if (date.getHours() === 0 && date.getMinutes() === 0 && date.getSeconds() === 0) return `${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return step < MINUTE ? `${minutes}:${two(date.getSeconds())}` : minutes;
}
