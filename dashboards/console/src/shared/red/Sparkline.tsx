import type { Service } from "../../api/numbers";
import { compact } from "../format";
import { sparkPath } from "./spark";
import { t } from "./strings";
import "./red.css";

/** Requests over the range at a glance; buckets with failures have a red foot. */
export function Sparkline({ calls, failures }: Service["sparkline"]) {
  const known = calls.filter((value): value is number => value !== null);
  if (known.length === 0) return null;
  const width = Math.max(1, calls.length - 1);
  return (
    <svg
      className="spark"
      viewBox="0 0 100 22"
      preserveAspectRatio="none"
      role="img"
      aria-label={t("trendText", { last: compact(known.at(-1)), max: compact(Math.max(...known)) })}
    >
      <path className="calls" d={sparkPath(calls)} />
      {failures.map((count, at) => (count ? <rect key={at} className="failures" x={(at / width) * 100 - 1} y={20} width={2.5} height={2} /> : null))}
    </svg>
  );
}
