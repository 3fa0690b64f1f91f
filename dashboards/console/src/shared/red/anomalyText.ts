/** What an anomaly says, in the reader's language: its document has the parts of the sentence, and the English one whole. */

import type { Anomaly } from "../../api/numbers";
import { languageStore } from "../../i18n";
import { said, type Parts } from "../../i18n/sentences";
import { bytes, compact, duration, percent } from "../format";
import { t } from "./anomalyStrings";

type Kind = Anomaly["kind"];

/** Kinds that a value and a baseline tell of, where the document is of a release that stored no parts. */
const MEASURED: Record<Kind, boolean> = { latency: true, errors: true, throughput: true, metric: true, log: false, shape: false, trace: false };

/** Series that are made of calls, by the name that they have. */
const OF_CALLS = {
  spanloom_edge_latency_p95_seconds: "subject_latency",
  spanloom_edge_call_rate_per_second: "subject_calls",
  spanloom_service_self_time_seconds: "subject_self",
} as const;

/** The sentence. English readers get the stored one. */
export function anomalyText(anomaly: Anomaly): string {
  if (languageStore.get() === "en") return anomaly.why;
  const words = said(anomaly.why, anomaly.why_parts);
  if (words !== anomaly.why) return words;
  const kind = t(`kind_${anomaly.kind}`);
  if (!MEASURED[anomaly.kind] || anomaly.seen === null || anomaly.expected === null) return t("worded", { kind, why: anomaly.why });
  const { seen, expected } = anomaly;
  const times = expected > 0 && seen >= 0 ? t("times", { times: compact(seen / expected) }) : "";
  return t("measured", { subject: subject(anomaly), seen: quantity(seen, anomaly), expected: quantity(expected, anomaly), times, score: anomaly.score.toFixed(2) });
}

/** Of the anomaly of a whole trace, whose reason is a text of its own. */
export function traceAnomalyText(why: string, parts: Parts | null): string {
  const words = said(why, parts);
  return languageStore.get() === "en" || words !== why ? words : t("worded", { kind: t("kind_trace"), why });
}

function subject(anomaly: Anomaly): string {
  const { name, labels } = anomaly.series;
  const key = (OF_CALLS as Record<string, (typeof OF_CALLS)[keyof typeof OF_CALLS] | undefined>)[name];
  if (key !== undefined && labels["service_name"] === undefined) {
    return t(key, { client: labels["client"] ?? "", server: labels["server"] ?? "", operation: labels["operation"] ?? "", service: labels["service"] ?? anomaly.service }).trim();
  }
  const what = anomaly.kind === "metric" ? ` ${name}` : t(`kind_${anomaly.kind}`);
  return anomaly.service ? t("subject", { service: anomaly.service, what }).trim() : what.trim();
}

function quantity(value: number, { kind, unit }: Anomaly): string {
  if (unit === "s") return duration(value * 1e9);
  if (unit === "By") return bytes(value);
  if (kind === "errors") return percent(value);
  return unit === "" || unit === "1" ? compact(value) : `${compact(value)} ${unit.replace(/[{}]/gu, "")}`;
}
