import type { ReactNode } from "react";
import { saidAll } from "../../../i18n/sentences";
import { duration, percent } from "../../../shared/format";
import type { HopDocument } from "../model/answer";
import type { Span } from "../model/trace";
import { t } from "../strings";

interface Props {
  span: Span;
  hops: readonly HopDocument[];
  onPick: (id: string) => void;
}

/** Why a span is, or is not, a side of a call between services; and where the time of its calls went. */
export function Why({ span, hops, onPick }: Props): ReactNode {
  const { why } = span.document;
  return (
    <>
      {why && <p>{`${t(why.edge ? "trace.why.edge" : "trace.why.no-edge")} ${saidAll(why.text, why.rules.map((rule) => `rule_${rule}`))}`}</p>}
      {!why && hops.length === 0 && <p className="quiet">{t("trace.why.unknown")}</p>}
      {hops.map((hop) => {
        const other = hop.client_span_id === span.id ? hop.server_span_id : hop.client_span_id;
        const times: [string, number | null][] = [
          [t("trace.hop.client"), hop.client_duration],
          [t("trace.hop.server"), hop.server_duration],
          [t("trace.hop.gap"), hop.gap],
          [t("trace.hop.queue"), hop.queue_wait],
          [t("trace.hop.self"), hop.self_time],
          [t("trace.hop.critical"), hop.critical_path_time],
        ];
        return (
          <section key={hop.id} className="event">
            <h3>
              {hop.caller.name} → {hop.callee.name} <span className="quiet">{hop.operation}</span>
              {hop.failed && <span className="tag bad">{t("trace.error")}</span>}
            </h3>
            {hop.inferred && <p className="quiet">{t("trace.hop.inferred")}</p>}
            {hop.link && <p className="quiet">{t("trace.hop.link")}</p>}
            <dl className="span-facts">
              {times.map(
                ([name, time]) =>
                  time !== null && (
                    <div key={name}>
                      <dt>{name}</dt>
                      <dd>
                        {duration(time)}
                        {name === t("trace.hop.critical") && ` (${percent(hop.critical_path_share)})`}
                      </dd>
                    </div>
                  ),
              )}
            </dl>
            {hop.skew !== null && hop.skew !== 0 && <p className="quiet">{t("trace.hop.skew", { time: duration(Math.abs(hop.skew)), callee: hop.callee.name })}</p>}
            {other && other !== span.id && (
              <button type="button" className="link" onClick={() => onPick(other)}>
                {t("trace.hop.other")}
              </button>
            )}
          </section>
        );
      })}
    </>
  );
}
