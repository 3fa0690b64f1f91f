import { useState, type FormEvent } from "react";

import { Icon } from "./Icon";
import { Popover } from "./Popover";
import { absolute, PRESETS, resolve, shift, zoomOut, type Range } from "./range";
import { localInput, rangeText } from "./rangeText";
import { now } from "./serverClock";
import { t } from "./strings";
import { useSetRange, useShellState } from "./useRange";

/** The time range: presets, two moments, a step back or forth, twice as much. */
export function TimeRange() {
  const { from, to } = useShellState();
  const range = { from, to };
  const setRange = useSetRange();
  return (
    <div className="time-range" role="group" aria-label={t("timeRange")}>
      <button type="button" className="control icon-only" aria-label={t("earlier")} title={t("earlier")} onClick={() => setRange(shift(range, now(), -1))}>
        <Icon name="left" />
      </button>
      <Popover
        label={`${t("timeRange")}: ${rangeText(range, now())}`}
        button={
          <>
            <Icon name="clock" />
            <span>{rangeText(range, now())}</span>
          </>
        }
      >
        {(close) => (
          <Choices
            range={range}
            choose={(chosen) => {
              setRange(chosen);
              close();
            }}
          />
        )}
      </Popover>
      <button type="button" className="control icon-only" aria-label={t("later")} title={t("later")} onClick={() => setRange(shift(range, now(), 1))}>
        <Icon name="right" />
      </button>
      <button type="button" className="control icon-only" aria-label={t("zoomOut")} title={t("zoomOut")} onClick={() => setRange(zoomOut(range, now()))}>
        <Icon name="zoomOut" />
      </button>
    </div>
  );
}

function Choices({ range, choose }: { range: Range; choose: (range: Range) => void }) {
  const between = resolve(range, now());
  const [since, setSince] = useState(localInput(between.since));
  const [until, setUntil] = useState(localInput(between.until));
  const moments = [Date.parse(since), Date.parse(until)] as const;
  const right = moments[0] < moments[1];
  const apply = (event: FormEvent) => {
    event.preventDefault();
    if (right) choose(absolute(moments[0], moments[1]));
  };
  return (
    <div className="range-choices">
      <ul>
        {PRESETS.map((preset) => (
          <li key={preset}>
            <button
              type="button"
              className="choice"
              aria-pressed={range.from === preset && range.to === "now"}
              onClick={() => choose({ from: preset, to: "now" })}
            >
              {rangeText({ from: preset, to: "now" }, now())}
            </button>
          </li>
        ))}
      </ul>
      <form onSubmit={apply}>
        <label>
          {t("from")}
          <input className="field" type="datetime-local" step="1" value={since} onChange={(event) => setSince(event.target.value)} />
        </label>
        <label>
          {t("to")}
          <input className="field" type="datetime-local" step="1" value={until} onChange={(event) => setUntil(event.target.value)} />
        </label>
        {!right && <p className="wrong">{t("wrongOrder")}</p>}
        <p className="quiet zone">{Intl.DateTimeFormat().resolvedOptions().timeZone}</p>
        <button type="submit" className="button primary" disabled={!right}>
          {t("apply")}
        </button>
      </form>
    </div>
  );
}
