import type { ReactNode } from "react";
import { duration, percent } from "../../../shared/format";
import { breakdown } from "../model/breakdown";
import type { Part } from "../model/breakdown";
import type { HopDocument } from "../model/answer";
import type { Trace } from "../model/trace";
import { t } from "../strings";

interface Props {
  trace: Trace;
  hops: readonly HopDocument[];
  onPick: (id: string) => void;
}

/** A second part is named from this share of the whole on. */
const WORTH_NAMING = 0.1;

/** Where the time went, in a sentence; a click on a part leads to the span that has most of it. */
export function Headline({ trace, hops, onPick }: Props): ReactNode {
  const [first, second] = breakdown(trace, hops);
  if (!first) return <p className="headline quiet">{t(trace.pathKnown ? "headline.empty" : "headline.unknown")}</p>;
  const whole = duration(trace.duration);
  return (
    <p className="headline">
      <button type="button" className="link" onClick={() => onPick(first.span)}>
        {t("headline.first", { share: percent(first.share), whole, what: words(first) })}
      </button>
      {second && second.share >= WORTH_NAMING && (
        <>
          {t("headline.then")}
          <button type="button" className="link" onClick={() => onPick(second.span)}>
            {t("headline.second", { share: percent(second.share), what: words(second) })}
          </button>
        </>
      )}
      {t("headline.end")}
    </p>
  );
}

function words({ kind, who, to, operation }: Part): string {
  return t(`headline.${kind}`, { who, to, operation });
}
