/** Zoom and ruler of the waterfall. */

import type { Stretch } from "./trace";

const STEPS = [1, 2, 5];

/** Marks at round times, at most `most` of them, from the start of what is in sight to its end. */
export function ticks(view: Stretch, most: number): number[] {
  const span = view.end - view.start;
  if (span <= 0 || most < 1) return [];
  let step = 1;
  for (let power = 1, place = 0; span / step > most; place++) {
    if (place === STEPS.length) {
      place = 0;
      power *= 10;
    }
    step = power * (STEPS[place] as number);
  }
  const marks: number[] = [];
  for (let mark = Math.ceil(view.start / step) * step; mark <= view.end; mark += step) marks.push(mark);
  return marks;
}

/** Left and width in percent of what is in sight; null where nothing of it is. A bar is at least `least` percent wide. */
export function placed(stretch: Stretch, view: Stretch, least = 0): { left: number; width: number } | null {
  const span = Math.max(1, view.end - view.start);
  if (stretch.end < view.start || stretch.start > view.end) return null;
  const left = ((Math.max(stretch.start, view.start) - view.start) / span) * 100;
  const right = ((Math.min(stretch.end, view.end) - view.start) / span) * 100;
  const width = Math.max(right - left, least);
  return { left: Math.min(left, 100 - least), width };
}

/** `12.5-40` (percent of the trace) as a stretch of it; the whole for anything else. */
export function parseZoom(text: string | undefined, duration: number): Stretch {
  const found = /^(\d{1,3}(?:\.\d{1,6})?)-(\d{1,3}(?:\.\d{1,6})?)$/.exec(text ?? "");
  const [from, to] = [Number(found?.[1]), Number(found?.[2])];
  if (!found || !(from < to) || to > 100) return { start: 0, end: duration };
  return { start: (from / 100) * duration, end: (to / 100) * duration };
}

/** The zoom as text; undefined for the whole. */
export function formatZoom(view: Stretch, duration: number): string | undefined {
  const percent = (time: number): number => Number(((Math.min(Math.max(time, 0), duration) / Math.max(1, duration)) * 100).toFixed(4));
  const [from, to] = [percent(view.start), percent(view.end)];
  return from >= to || (from === 0 && to === 100) ? undefined : `${from}-${to}`;
}
