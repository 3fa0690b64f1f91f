import { duration } from "../shared/format";
import type { Age } from "./freshness";
import { t } from "./strings";

/** How old the newest data is: the first thing to know about all that is shown. */
export function DataAge({ age }: { age: Age }) {
  if (age.state === "unknown") return <span className="data-age">{t("ageUnknown")}</span>;
  if (age.state === "none") return <span className="data-age late">{t("noData")}</span>;
  const text = duration(Math.round(age.ms / 1_000) * 1e9 || 1e9);
  return (
    <span className={`data-age ${age.state}`} title={t("ageTitle")}>
      <span className="dot" aria-hidden="true" />
      {t(age.state === "old" ? "ageOld" : "age", { age: text })}
    </span>
  );
}
