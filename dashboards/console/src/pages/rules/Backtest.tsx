import { useMutation } from "@tanstack/react-query";
import { useMemo } from "react";

import { nanoseconds, send, type ApiError } from "../../api/client";
import { ExpressionGraph } from "../../shared/ExpressionGraph";
import { count, dateTime, duration } from "../../shared/format";
import { ErrorState } from "../../shared/States";
import type { Between } from "../../shell/range";
import { firingBands, labelText, type BacktestResult } from "./backtest";
import type { Placed } from "./model";
import { t } from "./strings";

const SHOWN = 50;

interface Done {
  result: BacktestResult;
  /** The range that it was made for: of the page then. */
  asked: Between;
}

/** The graph of a rule over the chosen range and, once asked for, when it would have fired in it. */
export function Backtest({ rule, axis }: { rule: Placed; axis: Between }) {
  const test = useMutation<Done, ApiError>({
    mutationFn: async () => {
      const asked = { since: nanoseconds(axis.since), until: nanoseconds(axis.until) };
      const question = { environment: rule.environment, group: rule.group, file: rule.file, rule: rule.name, ...asked };
      return { result: (await send<{ data: BacktestResult }>("/api/v1/backtest", question)).data, asked: axis };
    },
  });
  const bands = useMemo(() => (test.data ? firingBands(test.data.result, test.data.asked, t("wouldFire")) : []), [test.data]);
  const graph = { title: t("graph"), expression: rule.query, environment: rule.environment, empty: t("noGraph") };
  return (
    <>
      <ExpressionGraph {...graph} {...(test.data ? { axis: test.data.asked, bands } : { axis, live: true })} />
      {rule.type === "alerting" && (
        <>
          <p>
            <button type="button" className="button" disabled={test.isPending} aria-busy={test.isPending} onClick={() => test.mutate()}>
              {t(test.isPending ? "testing" : "backtest")}
            </button>{" "}
            {test.data && (
              <button type="button" className="link-button" onClick={() => test.reset()}>
                {t("backtestEnd")}
              </button>
            )}{" "}
            <span className="quiet">{t("backtestText")}</span>
          </p>
          {test.error && <ErrorState error={test.error} />}
          {test.data && <Result {...test.data} />}
        </>
      )}
    </>
  );
}

function Result({ result, asked }: Done) {
  const counts = { count: result.fired, fired: count(result.fired), evaluations: count(result.evaluations), points: count(result.points) };
  const remarks = [...result.notes, ...Object.values(result.errors), ...Object.values(result.unseen).flat().map((selector) => t("unseen", { selector }))];
  return (
    <section aria-label={t("backtestResult")}>
      <p role="status">
        <strong>{t("fired", counts)}</strong> <span className="quiet">{`${dateTime(asked.since)} – ${dateTime(asked.until)} · ${t("played", counts)}`}</span>
      </p>
      {remarks.map((remark) => (
        <p key={remark} className="note">
          {remark}
        </p>
      ))}
      <ul className="plain-list">
        {result.firings.slice(0, SHOWN).map((firing) => (
          <li key={`${firing.fired_at} ${labelText(firing.labels)}`}>
            {dateTime(firing.fired_at / 1e6)}{" "}
            <span className="quiet">{firing.resolved_at ? t("firedFor", { duration: duration(firing.resolved_at - firing.fired_at) }) : t("stillFiring")}</span> {labelText(firing.labels)}
          </li>
        ))}
      </ul>
      {result.fired > SHOWN && <p className="note">{t("moreFirings", { shown: SHOWN, more: count(result.fired - SHOWN) })}</p>}
    </section>
  );
}
