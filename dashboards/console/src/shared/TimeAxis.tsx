import { timeTicks } from "./timeTicks";

const MOST = 6;

/** The times below a drawing of a range, ms; screen readers hear them from the drawing itself. */
export function TimeAxis({ since, until }: { since: number; until: number }) {
  return (
    <div className="time-axis" aria-hidden="true">
      {timeTicks(since, until, MOST).map(({ at, text }) => {
        const share = (at - since) / (until - since);
        // At the ends the text stays within the drawing.
        const shift = share < 0.04 ? "0" : share > 0.96 ? "-100%" : "-50%";
        return (
          <span key={at} style={{ left: `${share * 100}%`, transform: `translateX(${shift})` }}>
            {text}
          </span>
        );
      })}
    </div>
  );
}
