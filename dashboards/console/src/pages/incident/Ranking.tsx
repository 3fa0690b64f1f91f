import { Link } from "@tanstack/react-router";

import type { RankingAnswer } from "../../api/numbers";
import { said } from "../../i18n/sentences";
import { ago, dateTime, duration } from "../../shared/format";
import { MarkButtons } from "../../shared/red/MarkButtons";
import { EmptyState } from "../../shared/States";
import { t } from "./strings";

const SIGNALS = { trace: "signal_trace", log: "signal_log", metric: "signal_metric" } as const;

function signalName(signal: string): string {
  return signal in SIGNALS ? t(SIGNALS[signal as keyof typeof SIGNALS]) : signal;
}

/** Suspected root causes with what speaks for each. `began`: what it was that began at `opened` (ms). */
export function Ranking({ ranking, opened, began = t("incidentOpened") }: { ranking: RankingAnswer | null; opened: number; began?: string }) {
  if (ranking === null) return <EmptyState title={t("noRanking")} />;
  const time = ranking.time / 1e6;
  return (
    <>
      <p className="quiet" title={dateTime(time)}>
        {t("rankingAt", { when: ago(time), delta: duration(Math.abs(time - opened) * 1e6), side: t(time <= opened ? "before" : "after"), began })}
      </p>
      {ranking.suspects.length > 0 && (
        <MarkButtons subject="ranking" id={ranking.id} verdicts={["right", "wrong"]} others={[...new Set(ranking.suspects.slice(1).map((each) => each.service))]} />
      )}
      <ol className="ranking">
        {ranking.suspects.map((suspect) => (
          <li key={`${suspect.service} ${suspect.instance}`}>
            <div>
              <Link to="/services/$" params={{ _splat: suspect.service }}>
                {suspect.service}
              </Link>
              {suspect.instance && suspect.instance !== suspect.service && <span className="quiet"> {suspect.instance}</span>}{" "}
              <meter min={0} max={1} value={suspect.score} aria-label={t("score")} /> <b>{suspect.score.toFixed(2)}</b>
            </div>
            <ul className="plain-list">
              {suspect.evidence.map((evidence) => (
                <li key={`${evidence.signal} ${evidence.text}`}>
                  <span className="badge plain">{signalName(evidence.signal)}</span> {said(evidence.text, evidence.text_parts)}{" "}
                  <span className="quiet">{t("weight", { w: evidence.weight.toFixed(2) })}</span>{" "}
                  {evidence.trace_ids.slice(0, 3).map((id) => (
                    <Link key={id} className="mono" to="/traces/$trace" params={{ trace: id }}>
                      {id.slice(0, 8)}{" "}
                    </Link>
                  ))}
                </li>
              ))}
            </ul>
          </li>
        ))}
      </ol>
    </>
  );
}
