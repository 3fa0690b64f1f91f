import { milliseconds } from "../../api/client";
import type { Anomaly, Deploy, IncidentSummary, Version } from "../../api/numbers";
import type { Between } from "../../shell/range";
import type { Band, Marker } from "../chartOptions";
import { moment } from "../format";
import { anomalyText } from "./anomalyText";
import { t } from "./strings";

/** At most so many bands: past that they say nothing more. */
const MOST_BANDS = 100;

/** Anomalies as stretches of time behind the lines. */
export function bandsOf(anomalies: readonly Anomaly[]): Band[] {
  return anomalies.slice(0, MOST_BANDS).map((each) => ({
    since: milliseconds(each.start),
    until: milliseconds(each.end),
    text: t("anomaly", { service: each.service, why: anomalyText(each) }),
    tone: each.score >= 0.9 ? "bad" : "warn",
  }));
}

/** Repairs as moments: when one was opened and, of those that ended, how. */
export function repairsOf(incidents: readonly IncidentSummary[], axis: Between): Marker[] {
  const markers = incidents.flatMap((each): Marker[] => [
    { time: milliseconds(each.opened), text: t("repair", { service: each.service, state: each.playbook }), tone: "accent" },
    ...(each.ended === null
      ? []
      : [
          {
            time: milliseconds(each.ended),
            text: t("repair", { service: each.service, state: each.state }),
            tone: each.state === "closed" ? ("good" as const) : ("bad" as const),
          },
        ]),
  ]);
  return inside(markers, axis);
}

/** Versions that came up within the range. The first one that was seen at all is no deploy: it was there before. */
export function deploysOf(versions: readonly Version[], axis: Between): Marker[] {
  if (versions.length < 2) return [];
  const first = Math.min(...versions.map((each) => each.first_seen));
  const later = versions.filter((each) => each.first_seen > first);
  return inside(
    later.map((each) => ({ time: milliseconds(each.first_seen), text: t("deploy", { version: each.version }), tone: "accent" })),
    axis,
  );
}

/** Deploys of all services, as the server found them: which one went to which version, and when. */
export function rolloutsOf(deploys: readonly Deploy[], axis: Between): Marker[] {
  const markers = deploys.map(({ service, version, first_seen }): Marker => {
    const time = milliseconds(first_seen);
    return { time, text: t("rollout", { service, version, time: moment(time) }), tone: "accent" };
  });
  return inside(markers, axis);
}

function inside(markers: Marker[], axis: Between): Marker[] {
  return markers.filter((marker) => marker.time >= axis.since && marker.time <= axis.until);
}
