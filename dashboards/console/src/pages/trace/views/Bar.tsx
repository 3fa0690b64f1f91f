import { memo } from "react";
import type { ReactNode } from "react";
import { duration } from "../../../shared/format";
import { placed } from "../model/scale";
import type { Span, Stretch } from "../model/trace";
import { t } from "../strings";

interface Props {
  span: Span;
  view: Stretch;
  color: string;
}

const LEAST = 0.15;

/** A span's place in time: its bar with duration, hatched waits, the critical path, its logs and events. */
export const Bar = memo(function Bar({ span, view, color }: Props): ReactNode {
  const bar = placed(span, view, LEAST);
  return (
    <div className="track">
      {span.waits.map((wait) => {
        const place = placed(wait, view, LEAST);
        const title = t(wait.kind === "queue" ? "trace.wait.queue" : "trace.wait.gap", { time: duration(wait.end - wait.start) });
        return place && <div key={wait.start} className={`wait ${wait.kind}`} title={title} style={percent(place)} />;
      })}
      {bar && <div className={span.failed ? "bar failed" : "bar"} style={{ ...percent(bar), background: color }} />}
      {span.critical.map((stretch) => {
        const place = placed(stretch, view);
        return place && <div key={stretch.start} className="critical" style={percent(place)} />;
      })}
      {span.logs.map(({ at, severity }, place) => {
        const mark = placed({ start: at, end: at }, view);
        return mark && <div key={place} className={`mark log ${severity}`} style={{ left: `${mark.left}%` }} />;
      })}
      {bar && (
        <span className="bar-label" style={labelPlace(span, bar, view)}>
          {duration(span.duration)}
        </span>
      )}
    </div>
  );
});

/** Percent of the width that a duration in words needs. */
const LABEL = 13;

/** Right of the bar and its waits, else left of them, else in the bar. */
function labelPlace(span: Span, bar: { left: number; width: number }, view: Stretch): { left?: string; right?: string } {
  let left = bar.left;
  let right = bar.left + bar.width;
  for (const wait of span.waits) {
    const place = placed(wait, view);
    if (!place) continue;
    left = Math.min(left, place.left);
    right = Math.max(right, place.left + place.width);
  }
  if (right <= 100 - LABEL) return { left: `${right}%` };
  return left >= LABEL ? { right: `${100 - left}%` } : { right: `${Math.max(0, 100 - bar.left - bar.width)}%` };
}

function percent(place: { left: number; width: number }): { left: string; width: string } {
  return { left: `${place.left}%`, width: `${place.width}%` };
}
