import { useEffect, useRef, useState } from "react";
import type { ReactNode } from "react";
import { address } from "../../../api/client";
import { count as amount } from "../../../shared/format";
import { useShellState } from "../../../shell/useRange";
import type { LogRow } from "../model/answers";
import { NOTHING, withRows } from "../model/tail";
import type { Tail } from "../model/tail";
import { t } from "../strings";
import { LogLine } from "./LogLine";

interface Props {
  query: string;
  onCondition: (condition: string) => void;
}

/** Milliseconds for which lines are gathered before they are shown: a flood is drawn a few times a second. */
const GATHER = 250;

/** Records as they arrive, by server-sent events. */
export function LiveTail({ query, onCondition }: Props): ReactNode {
  const { environment } = useShellState();
  const [tail, setTail] = useState<Tail>(NOTHING);
  const [state, setState] = useState<"connecting" | "open" | "away">("connecting");
  const [paused, setPaused] = useState(false);
  const holding = useRef(false);
  holding.current = paused;

  useEffect(() => {
    const came: LogRow[] = [];
    let dropped = 0;
    const source = new EventSource(address("/api/v1/logs/tail", { q: query, environment }));
    source.onopen = () => setState("open");
    source.onerror = () => setState(source.readyState === EventSource.CLOSED ? "away" : "connecting");
    source.addEventListener("log", (event: MessageEvent<string>) => came.push(JSON.parse(event.data) as LogRow));
    source.addEventListener("dropped", (event: MessageEvent<string>) => (dropped += (JSON.parse(event.data) as { count: number }).count));
    const timer = setInterval(() => {
      if (holding.current) {
        dropped += came.splice(0, Math.max(0, came.length - HELD)).length;
        return;
      }
      if (came.length === 0 && dropped === 0) return;
      const rows = came.splice(0);
      const lost = dropped;
      dropped = 0;
      setTail((before) => withRows({ ...before, dropped: before.dropped + lost }, rows));
    }, GATHER);
    return () => {
      clearInterval(timer);
      source.close();
    };
  }, [query, environment]);

  return (
    <>
      <div className="logs-bar">
        <span role="status" className={state === "away" ? "bad" : ""}>
          {t(`live.${state}`)} {tail.rows.length === 0 && state === "open" ? t("live.waiting") : ""}
        </span>
        <button type="button" className="button small" aria-pressed={paused} onClick={() => setPaused(!paused)}>
          {t(paused ? "live.resume" : "live.pause")}
        </button>
        {tail.forgotten > 0 && <span className="quiet">{t("live.forgotten", { count: tail.rows.length, shown: amount(tail.rows.length) })}</span>}
        {tail.dropped > 0 && <span className="bad">{t("live.dropped", { number: amount(tail.dropped) })}</span>}
      </div>
      <ul className="log-list" aria-label={t("lines")}>
        {tail.rows.map((row) => (
          <LogLine key={row.id} row={row} onCondition={onCondition} />
        ))}
      </ul>
    </>
  );
}

/** Lines that wait while the tail is paused. */
const HELD = 500;
