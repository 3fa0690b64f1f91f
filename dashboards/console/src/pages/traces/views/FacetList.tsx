import type { ReactNode } from "react";
import { count as amount } from "../../../shared/format";
import { conditionFor } from "../../../shared/query/query";
import type { Facets } from "../model/answers";
import { t } from "../strings";

interface Props {
  facets: Facets["facets"];
  /** They are of the query before. */
  old: boolean;
  onCondition: (condition: string) => void;
}

/** Values that occur in what was found; a click on one narrows the search to it. */
export function FacetList({ facets, old, onCondition }: Props): ReactNode {
  return (
    <aside className={old ? "facets old" : "facets"} aria-label={t("facets")}>
      {facets
        .filter((facet) => facet.values.length > 0)
        .map((facet) => (
          <details key={facet.field} open>
            <summary>{facet.field}</summary>
            <ul>
              {facet.values.map(({ value, spans }) => {
                const condition = conditionFor(facet.field, value);
                return (
                  <li key={value}>
                    <button type="button" disabled={condition === null} title={condition ?? ""} onClick={() => condition && onCondition(condition)}>
                      <span className="value">{value || t("facets.empty")}</span> <span className="quiet">{amount(spans)}</span>
                    </button>
                  </li>
                );
              })}
            </ul>
            {facet.more && <p className="quiet">{t("facets.more")}</p>}
          </details>
        ))}
    </aside>
  );
}
