/** Objectives of a service, out of the series that their rules record (docs/slo.md). */

export interface Sample {
  metric: Record<string, string>;
  value: [number, string];
}

export interface VectorAnswer {
  data: { result: Sample[] };
}

export interface SloRow {
  name: string;
  objective: number;
  days: number | null;
  /** Share of the budget that is left; negative where more than all of it is spent. Null until the whole window was looked at. */
  left: number | null;
  /** Share of failed requests over the whole window. */
  failed: number | null;
  /** How many times too fast the budget is spent, over an hour. 1 spends all of it within the window. */
  burn: number | null;
}

const RATIO = "slo:sli_error:ratio_rate";

/** PromQL for all that `rowsOf` reads. */
export function sloQuery(service: string): string {
  return `{__name__=~"slo:.*",service=${JSON.stringify(service)}}`;
}

export function rowsOf(samples: readonly Sample[]): SloRow[] {
  const byObjective = new Map<string, Map<string, number>>();
  for (const { metric, value } of samples) {
    const key = `${metric.slo ?? ""}\n${metric.objective ?? ""}`;
    const found = byObjective.get(key) ?? new Map<string, number>();
    found.set(metric.__name__ ?? "", Number(value[1]));
    byObjective.set(key, found);
  }
  return [...byObjective].map(([key, found]) => rowOf(key, found)).sort((a, b) => (a.left ?? 2) - (b.left ?? 2) || a.name.localeCompare(b.name));
}

function rowOf(key: string, found: Map<string, number>): SloRow {
  const [name = "", text = ""] = key.split("\n");
  const objective = Number(text);
  const days = known(found.get("slo:time_period:days"));
  const hour = known(found.get(`${RATIO}1h`));
  return {
    name,
    objective,
    days,
    left: known(found.get("slo:error_budget_remaining:ratio")),
    failed: days === null ? null : known(found.get(`${RATIO}${days}d`)),
    burn: hour === null ? null : hour / (1 - objective),
  };
}

function known(value: number | undefined): number | null {
  return value === undefined || Number.isNaN(value) ? null : value;
}
