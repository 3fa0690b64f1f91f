import { useMemo } from "react";

import type { AlertChangesAnswer } from "../../api/numbers";
import { useApi } from "../../api/queries";
import { useShellState } from "../../shell/useRange";
import type { IncidentOf } from "./groups";
import { openRows, type AlertRow, type GettableAlert } from "./model";

/** Most changes of state that are read, the newest. */
export const MAX_CHANGES = 2_000;

/** The alerts of both sources, and the incidents that they belong to. */
export function useAlerts() {
  const { environment } = useShellState();
  const active = useApi<GettableAlert[]>("/api/v2/alerts", {}, { ranged: false });
  const changes = useApi<AlertChangesAnswer>("/api/v1/alerts", { limit: MAX_CHANGES, environment }, { ranged: false });
  const incidents = useApi<{ incidents: IncidentOf[] }>("/api/v1/incidents", { state: "open" });
  /** This process has no Alertmanager: the store's word counts. */
  const absent = active.error?.status === 404;
  const rows = useMemo<AlertRow[]>(() => {
    if (changes.data === undefined || (active.data === undefined && !absent)) return [];
    const found = openRows(absent ? null : (active.data?.body ?? []), changes.data.body.alerts);
    return environment ? found.filter((row) => (row.environment || "default") === environment) : found;
  }, [active.data, absent, changes.data, environment]);
  return { active, changes, incidents, absent, rows };
}
