import type { ReactNode } from "react";
import { milliseconds } from "../../../api/client";
import { ago, count as amount, percent } from "../../../shared/format";
import { withCondition } from "../../../shared/query/query";
import { toneOf } from "../model/answers";
import type { Templates } from "../model/answers";
import { pieces, queryOf } from "../model/tail";
import { t } from "../strings";

interface Props {
  found: Templates;
  query: string;
  onQuery: (query: string) => void;
}

/** What occurs how often: records that differ in values only are one template. */
export function TemplateList({ found, query, onQuery }: Props): ReactNode {
  const { templates, examined, total } = found;
  if (templates.length === 0) return <p role="status">{t("none")}</p>;
  return (
    <>
      <p className="quiet">{examined < total ? t("templates.part", { examined: amount(examined), total: amount(total) }) : t("templates.all", { total: amount(total) })}</p>
      <ul className="log-list" aria-label={t("templates")}>
        {templates.map((each) => {
          const condition = queryOf(each.template);
          return (
            <li key={`${each.severity} ${each.template}`} className={`log-line ${toneOf(each.example.severity_number)}`}>
              <div className="log-head">
                <strong>{amount(each.count)}</strong>
                <span className="quiet">{percent(each.share)}</span>
                <span className={`tag ${toneOf(each.example.severity_number)}`}>{each.severity || t("severity.unset")}</span>
                <span className="log-text mono">
                  {pieces(each.template).map((piece, at) => (piece === null ? <mark key={at}>*</mark> : <span key={at}>{piece}</span>))}
                </span>
                <span className="quiet">{t("templates.last", { services: each.services.join(", "), ago: ago(milliseconds(each.last)) })}</span>
                {condition && (
                  <button type="button" className="link" onClick={() => onQuery(withCondition(query, condition))}>
                    {t("templates.lines")}
                  </button>
                )}
              </div>
            </li>
          );
        })}
      </ul>
    </>
  );
}
