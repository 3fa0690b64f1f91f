import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Attributes, Value } from "../model/answer";
import { conditionFor } from "../../../shared/query/query";
import { t } from "../strings";

interface Props {
  attributes: Attributes;
  /** Whose attributes they are; those of `none` cannot be searched by. */
  where: "span" | "resource" | "none";
}

/** Attributes by name; a click on one finds the traces that have the same value. */
export function AttributeList({ attributes, where }: Props): ReactNode {
  const names = Object.keys(attributes).sort();
  if (names.length === 0) return where === "none" ? null : <p className="quiet">{t("trace.attributes.none")}</p>;
  return (
    <dl className="attributes">
      {names.map((name) => {
        const value = attributes[name] ?? null;
        const condition = where === "none" ? null : conditionFor(name, value);
        return (
          <div key={name}>
            <dt>{name}</dt>
            <dd>
              {condition ? (
                <Link to="/traces" search={{ q: condition } as never} title={t("trace.attribute.find", { condition })}>
                  {textOf(value)}
                </Link>
              ) : (
                textOf(value)
              )}
            </dd>
          </div>
        );
      })}
    </dl>
  );
}

export function textOf(value: Value): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
