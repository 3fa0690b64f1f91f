import type { Band } from "../../shared/chartOptions";
import type { Between } from "../../shell/range";

/** What a rule would have done, as POST /api/v1/backtest answers. Times in nanoseconds; `resolved_at` is 0 while it fires. */
export interface BacktestResult {
  firings: { alert: string; labels: Record<string, string>; fired_at: number; resolved_at: number }[];
  /** All of them, of which an answer has so many. */
  fired: number;
  never_fired: number;
  evaluations: number;
  points: number;
  errors: Record<string, string>;
  unseen: Record<string, string[]>;
  notes: string[];
}

/** The stretches of a chart in which an alert would have fired; of many series each stretch once. */
export function firingBands(result: BacktestResult, axis: Between, text: string): Band[] {
  const stretches = result.firings
    .map(({ fired_at, resolved_at }) => ({ since: fired_at / 1e6, until: resolved_at ? resolved_at / 1e6 : axis.until }))
    .sort((a, b) => a.since - b.since);
  const bands: Band[] = [];
  for (const { since, until } of stretches) {
    const last = bands.at(-1);
    if (last !== undefined && since <= last.until) last.until = Math.max(last.until, until);
    else bands.push({ since, until, text, tone: "bad" });
  }
  return bands;
}

/** Labels that tell one alert of a rule from another: all but its name. */
export function labelText(labels: Record<string, string>): string {
  return Object.entries(labels)
    .filter(([name]) => name !== "alertname")
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([name, value]) => `${name}=${value}`)
    .join(", ");
}
