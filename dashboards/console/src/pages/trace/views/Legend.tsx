import type { ReactNode } from "react";
import { t } from "../strings";

export function Legend({ colors }: { colors: ReadonlyMap<string, string> }): ReactNode {
  return (
    <ul className="legend" aria-label={t("trace.legend")}>
      {[...colors].map(([service, color]) => (
        <li key={service}>
          <span className="dot" style={{ background: color }} /> {service}
        </li>
      ))}
      <li>
        <span className="sample critical" /> {t("trace.legend.critical")}
      </li>
      <li>
        <span className="sample wait queue" /> {t("trace.legend.queue")}
      </li>
      <li>
        <span className="sample wait gap" /> {t("trace.legend.gap")}
      </li>
      <li>
        <span className="sample mark log" /> {t("trace.legend.log")}
      </li>
    </ul>
  );
}
