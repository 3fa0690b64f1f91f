/** The fleet as the control plane gives it. Times in ns. */

export interface Agent {
  id: string;
  service: string;
  labels: Record<string, string>;
  connected: boolean;
  wanted: string;
  revision: string;
  seen: number;
  history: { revision: string; at: number; refusal: string }[];
}

export interface Wave {
  share: number;
  labels: Record<string, string>;
  soak_seconds: number;
}

export interface Rollout {
  revision: string;
  before: string;
  waves: Wave[];
  wave: number;
  since: number;
  state: "applying" | "soaking" | "done" | "rolled-back";
  why: string;
}

export interface Delivery {
  service: string;
  steps: number;
  since: number;
  /** Percent of the calls that new instances get. */
  share: number;
  state: "advancing" | "paused" | "completed" | "rolled-back";
  why: string;
}

export type DeliveryAction = "pause" | "resume" | "promote" | "abort";

export interface FleetAnswer {
  stable: string;
  rollout: Rollout | null;
  deliveries: Delivery[];
  agents: Agent[];
}

export interface Revision {
  number: string;
  digest: string;
  author: string;
  comment: string;
  created: number;
  status: "draft" | "released" | "stable" | "rolled-back" | "refused" | "rejected" | "expired";
  why: string;
}

export interface PoliciesAnswer {
  stable: string;
  rollout: Rollout | null;
  revisions: Revision[];
}

/** What an agent refused last, while it has not taken anything since. */
export function refusalOf(agent: Agent): { revision: string; refusal: string } | null {
  const last = agent.history.at(-1);
  return last !== undefined && last.refusal !== "" ? last : null;
}

/** Of the connected agents, how many have the revision that they should. */
export function current(agents: readonly Agent[]): { n: number; all: number } {
  const connected = agents.filter((agent) => agent.connected);
  return { n: connected.filter((agent) => agent.revision === agent.wanted).length, all: connected.length };
}

/** What needs a look first: refusals, agents behind, agents away, then the others by name. */
export function byNeed(agents: readonly Agent[]): Agent[] {
  const rank = (agent: Agent) => (refusalOf(agent) ? 0 : agent.connected && agent.revision !== agent.wanted ? 1 : agent.connected ? 3 : 2);
  return [...agents].sort((a, b) => rank(a) - rank(b) || a.id.localeCompare(b.id));
}

/** Whether it can still be taken back. */
export function canRollBack(rollout: Rollout | null): boolean {
  return rollout !== null && (rollout.state === "applying" || rollout.state === "soaking");
}

const ACTIONS: Record<Delivery["state"], DeliveryAction[]> = {
  advancing: ["pause", "promote", "abort"],
  paused: ["resume", "promote", "abort"],
  completed: ["abort"],
  "rolled-back": ["resume"],
};

/** What a person can do with a delivery now. */
export function deliveryActions(delivery: Delivery): readonly DeliveryAction[] {
  return ACTIONS[delivery.state];
}

/** Where that is asked for. */
export function deliveryPath(delivery: Delivery, action: DeliveryAction): string {
  return `/api/v1/policies/deliveries?${new URLSearchParams({ service: delivery.service, do: action }).toString()}`;
}
