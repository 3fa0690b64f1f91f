import { duration, percent } from "../../shared/format";
import type { MapEdge } from "./api";
import { t } from "./strings";

/** The least growth of a p95 or of a share of failures that is worth a sentence. */
const SLOWER = 1.5;
const FAILING = 0.02;

/** Why an edge is unusual, in sentences: its p95 and its failures beside those of the time just before. */
export function whyOf(edge: MapEdge): string[] {
  const { stats, usual } = edge;
  if (usual === null || edge.deviation === 0) return [];
  const texts: string[] = [];
  if (stats.p95 !== null && usual.p95 !== null && (stats.p95 > usual.p95 * SLOWER || stats.p95 < usual.p95 / SLOWER)) {
    texts.push(t("whyLatency", { now: duration(stats.p95), usual: duration(usual.p95) }));
  }
  if ((stats.error_rate ?? 0) - (usual.error_rate ?? 0) > FAILING) {
    texts.push(t("whyErrors", { now: percent(stats.error_rate), usual: percent(usual.error_rate) }));
  }
  return texts;
}
