import type { ReactNode } from "react";
import { useApi } from "../../../api/queries";
import { count as amount, duration, percent } from "../../../shared/format";
import { conditionFor } from "../../../shared/query/query";
import type { Common } from "../model/answers";
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
        <div role="group" aria-label={t("common")} className="choice">
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
  const { common, picked, rest, threshold, test } = data.body;
  const counts = { picked: amount(picked), rest: amount(rest) };
  return (
    <>
      <p className="quiet">
        {threshold === null ? t("common.of-failed", counts) : t("common.of-slow", { ...counts, threshold: duration(threshold) })} {test}
      </p>
      {common.length === 0 ? (
        <p>{t("common.nothing")}</p>
      ) : (
        <ul className="common-list">
          {common.map(({ field, value, picked_share: mine, rest_share: others }) => {
            const condition = conditionFor(field, value);
            return (
              <li key={`${field}=${value}`}>
                <button type="button" className="link" disabled={condition === null} onClick={() => condition && onCondition(condition)}>
                  <code>
                    {field}={value}
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
      )}
    </>
  );
}
