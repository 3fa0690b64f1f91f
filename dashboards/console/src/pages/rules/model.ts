/** Rules as Prometheus' API gives them. Durations in seconds. */

export interface RuleAlert {
  labels: Record<string, string>;
  state: "pending" | "firing";
  activeAt: string;
  value: string;
}

export interface Rule {
  name: string;
  query: string;
  type: "alerting" | "recording";
  health: "ok" | "err" | "unknown";
  lastError: string;
  notes?: string[];
  lastEvaluation: string;
  labels: Record<string, string>;
  duration?: number;
  keepFiringFor?: number;
  annotations?: Record<string, string>;
  state?: "inactive" | "pending" | "firing";
  alerts?: RuleAlert[];
}

export interface RuleGroup {
  name: string;
  file: string;
  interval: number;
  environment: string;
  rules: Rule[];
}

export interface RulesAnswer {
  data: { groups: RuleGroup[] };
}

/** A rule with where it stands. */
export interface Placed extends Rule {
  group: string;
  file: string;
  environment: string;
}

/** Groups with the rules that are asked for; a group without any is left out. */
export function chosen(groups: readonly RuleGroup[], text: string, unhealthy: boolean, environment: string): RuleGroup[] {
  const asked = text.trim().toLowerCase();
  const has = (rule: Rule) => `${rule.name} ${rule.query} ${Object.values(rule.labels).join(" ")}`.toLowerCase().includes(asked);
  return groups
    .filter((group) => !environment || group.environment === environment)
    .map((group) => ({ ...group, rules: group.rules.filter((rule) => has(rule) && (!unhealthy || rule.health === "err")) }))
    .filter((group) => group.rules.length > 0);
}

/** The rule that an address names: by its name, and by its group where that is said; in any environment. */
export function ruleNamed(groups: readonly RuleGroup[], name: string, group: string): Placed | null {
  if (!name) return null;
  for (const each of groups) {
    if (group && each.name !== group) continue;
    const rule = each.rules.find((one) => one.name === name);
    if (rule !== undefined) return { ...rule, group: each.name, file: each.file, environment: each.environment };
  }
  return null;
}
