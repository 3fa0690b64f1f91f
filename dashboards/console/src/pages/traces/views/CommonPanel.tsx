import type { ReactNode } from "react";
import { useApi } from "../../../api/queries";
import { count as amount, duration, percent } from "../../../shared/format";
import { conditionFor } from "../../../shared/query/query";
import type { Common, Sides } from "../model/answers";
import { t } from "../strings";

interface Props {
  query: string;
  which: "" | "slow" | "failed";
  onWhich: (which: string | undefined) => void;
  onCondition: (condition: string) => void;
}

/** What the slow or the failed spans have more often than the rest. */
export function CommonPanel({ query, which, onWhich, onCondition }: Props): ReactNode {
  return (
    <section className="common" aria-label={t("common")}>
      <div className="traces-bar">
        <span>{t("common")}</span>
        <div role="group" aria-label={t("common")} className="segments">
          {(["slow", "failed"] as const).map((name) => (
            <button key={name} type="button" aria-pressed={which === name} onClick={() => onWhich(which === name ? undefined : name)}>
              {t(`common.${name}`)}
            </button>
          ))}
        </div>
      </div>
      {which && <Answer query={query} which={which} onCondition={onCondition} />}
    </section>
  );
}

function Answer({ query, which, onCondition }: { query: string; which: "slow" | "failed"; onCondition: (condition: string) => void }): ReactNode {
  const { data, error, isPlaceholderData } = useApi<Common>("/api/v1/traces/common", { q: query, failed: which === "failed" || undefined }, { every: false });
  if (error) {
    return (
      <p role="alert" className="trouble">
        {error.message}
      </p>
    );
  }
  if (!data || isPlaceholderData) {
    return (
      <p role="status" className="quiet">
        {t("common.searching")}
      </p>
    );
  }
  const { threshold, test, values, calls } = data.body;
  const counts = { picked: amount(values.picked), rest: amount(values.rest) };
  return (
    <>
      <p className="quiet">
        {threshold === null ? t("common.of-failed", counts) : t("common.of-slow", { ...counts, threshold: duration(threshold) })} {test}
      </p>
      {values.found.length + calls.found.length === 0 && <p>{t("common.nothing")}</p>}
      <FoundValues sides={values} condition={({ field, value }) => conditionFor(field, value)} onCondition={onCondition} />
      {calls.found.length > 0 && <h3>{t("common.calls")}</h3>}
      <FoundValues sides={calls} condition={({ field, value }) => `${conditionFor("service", field)} and ${conditionFor("operation", value)}`} onCondition={onCondition} />
    </>
  );
}

interface FoundProps {
  sides: Sides;
  condition: (found: Sides["found"][number]) => string | null;
  onCondition: (condition: string) => void;
}

function FoundValues({ sides, condition, onCondition }: FoundProps): ReactNode {
  if (sides.found.length === 0) return null;
  return (
    <ul className="common-list">
      {sides.found.map((found) => {
        const search = condition(found);
        const [mine, others] = [found.picked / Math.max(1, sides.picked), found.rest / Math.max(1, sides.rest)];
        return (
          <li key={`${found.field}=${found.value}`}>
            <button type="button" className="link" disabled={search === null} onClick={() => search && onCondition(search)}>
              <code>
                {found.field}={found.value}
              </code>
            </button>
            <span className="shares" aria-hidden="true">
              <span style={{ width: `${mine * 100}%` }} />
              <span style={{ width: `${others * 100}%` }} />
            </span>
            <span>{t("common.shares", { mine: percent(mine), others: percent(others) })}</span>
          </li>
        );
      })}
    </ul>
  );
}
