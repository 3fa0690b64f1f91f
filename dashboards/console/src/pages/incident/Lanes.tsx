import { clock, duration } from "../../shared/format";
import type { Between } from "../../shell/range";
import { rowsOf, type Event, type LaneName } from "./lanes";
import { t } from "./strings";

const LANES: readonly LaneName[] = ["metric", "alert", "repair", "notification"];
const TICKS = 5;

/** The lanes of an incident over its time; each event has its words as a tooltip, and all of them stand in a list below. */
export function Lanes({ events, axis, opened, now }: { events: readonly Event[]; axis: Between; opened: number; now: number }) {
  const at = (ms: number) => `${(Math.min(1, Math.max(0, (ms - axis.since) / (axis.until - axis.since))) * 100).toFixed(2)}%`;
  const ticks = Array.from({ length: TICKS }, (_, i) => axis.since + ((i + 0.5) / TICKS) * (axis.until - axis.since));
  return (
    <>
      <div className="lanes" aria-hidden="true">
        <div className="lane-scale">
          {ticks.map((tick) => (
            <span key={tick} style={{ left: at(tick) }}>
              {clock(tick)}
            </span>
          ))}
        </div>
        {LANES.map((lane) => {
          const rows = rowsOf(
            events.filter((event) => event.lane === lane),
            axis,
            now,
          );
          return (
            <div key={lane} className="lane">
              <div className="lane-name">{t(`lane_${lane}`)}</div>
              <div className="lane-rows">
                <span className="lane-opened" style={{ left: at(opened) }} />
                {rows.length === 0 && <div className="lane-row quiet">{t("laneEmpty")}</div>}
                {rows.map((row, i) => (
                  <div key={i} className="lane-row">
                    {row.map((event) => {
                      const end = event.end ?? (event.open ? now : null);
                      return end === null ? (
                        <span key={event.title + event.start} className={`lane-mark ${event.tone}`} style={{ left: at(event.start) }} title={`${clock(event.start)} ${event.title}`} />
                      ) : (
                        <span
                          key={event.title + event.start}
                          className={`lane-bar ${event.tone}${event.open ? " ongoing" : ""}`}
                          style={{ left: at(event.start), width: `calc(${at(end)} - ${at(event.start)})` }}
                          title={`${clock(event.start)} ${event.title} (${event.open ? t("ongoing") : duration((end - event.start) * 1e6)})`}
                        >
                          {event.title}
                        </span>
                      );
                    })}
                  </div>
                ))}
              </div>
            </div>
          );
        })}
      </div>
      <details className="lane-list" open={events.length <= 12}>
        <summary>{t("eventList")}</summary>
        <ol className="plain-list">
          {events.map((event) => (
            <li key={`${event.lane} ${event.title} ${event.start}`}>
              <time className="mono">{clock(event.start)}</time> <span className="quiet">{t(`lane_${event.lane}`)}</span> {event.title}
              {event.open && <span className="quiet"> ({t("ongoing")})</span>}
            </li>
          ))}
        </ol>
      </details>
    </>
  );
}
