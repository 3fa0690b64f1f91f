import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { compact, dateTime } from "../../../shared/format";
import type { Shown } from "../model/exemplars";
import { nameOf } from "../model/matrix";
import { t } from "../strings";

/** Exemplars as a list, each leading to its trace; nothing where there are none. */
export function Exemplars({ found }: { found: readonly Shown[] }): ReactNode {
  if (found.length === 0) return null;
  return (
    <section aria-label={t("exemplars")}>
      <h2>{t("exemplars")}</h2>
      <ul className="series">
        {found.map(({ series, value, time, trace, span }) => (
          <li key={`${trace} ${span} ${time}`}>
            <span>{compact(value)}</span>
            <span className="quiet">{dateTime(time, true)}</span>
            <Link className="mono" to="/traces/$trace" params={{ trace }} search={(span ? { span } : {}) as never}>
              {trace}
            </Link>
            <span className="mono quiet">{nameOf(series)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
