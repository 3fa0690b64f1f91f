import { Link } from "@tanstack/react-router";

import { ago, dateTime, duration } from "../../shared/format";
import { EmptyState } from "../../shared/States";
import { t } from "./strings";

export interface RankingBody {
  _id: string;
  "@timestamp": number;
  opened_by: string;
  ranking: {
    service: string;
    instance: string;
    score: number;
    evidence: { signal: string; weight: number; text: string; trace_ids: string[]; series: string }[];
  }[];
}

/** The ranking of a time: the last one at or before it, else the first after it. */
export function rankingOf(before: readonly RankingBody[], after: readonly RankingBody[]): RankingBody | null {
  return before[0] ?? after[0] ?? null;
}

/** Suspected root causes with what speaks for each. */
export function Ranking({ ranking, opened }: { ranking: RankingBody | null; opened: number }) {
  if (ranking === null) return <EmptyState title={t("noRanking")} />;
  const time = ranking["@timestamp"] / 1e6;
  return (
    <>
      <p className="quiet" title={dateTime(time)}>
        {t("rankingAt", { when: ago(time), delta: duration(Math.abs(time - opened) * 1e6), side: t(time <= opened ? "before" : "after") })}
      </p>
      <ol className="ranking">
        {ranking.ranking.map((suspect) => (
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
                  <span className="badge plain">{evidence.signal}</span> {evidence.text}{" "}
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
