import { useState } from "react";

import { send } from "../../api/client";
import { useApi } from "../../api/queries";
import { refusal, useSession } from "../../api/session";
import { ActButton } from "../ActButton";
import { Badge } from "../Badge";
import { dateTime } from "../format";
import { t } from "./markStrings";

const PATH = "/api/v1/marks";

export type Verdict = "right" | "wrong" | "expected";

interface Mark {
  subject: "anomaly" | "ranking";
  id: string;
  verdict: Verdict;
  who: string;
  note: string;
  expires: number;
}

interface Props {
  subject: Mark["subject"];
  id: string;
  verdicts: readonly Verdict[];
  /** Suspects after the first: whoever says that a ranking is wrong may name the cause among them. */
  others?: readonly string[];
}

/** What somebody said of an anomaly or a ranking and, for operators, buttons to say it: it changes what is found next. */
export function MarkButtons({ subject, id, verdicts, others = [] }: Props) {
  const marks = useApi<{ marks: Mark[] }>(PATH, {}, { ranged: false });
  const [open, setOpen] = useState(false);
  const session = useSession();
  const made = marks.data?.body.marks.find((each) => each.subject === subject && each.id === id);
  const say = (verdict: Verdict, cause?: string) => () =>
    send(`/api/v1/${subject === "anomaly" ? "anomalies" : "rankings"}/${encodeURIComponent(id)}/mark`, cause === undefined ? { verdict } : { verdict, cause });
  return (
    <span className="marks">
      {made !== undefined && (
        <span title={t("until", { time: dateTime(made.expires / 1e6), note: made.note })}>
          <Badge tone="accent">{t("said", { verdict: t(made.verdict), who: made.who })}</Badge>
        </span>
      )}
      {refusal(session, "operate") === null && marks.data !== undefined && (
        <button type="button" className="button small" aria-expanded={open} onClick={() => setOpen(!open)}>
          {t("mark")}
        </button>
      )}
      {open &&
        verdicts
          .filter((verdict) => verdict !== made?.verdict)
          .map((verdict) => (
            <ActButton key={verdict} small label={t(verdict)} question={t(`${subject}_${verdict}`)} act={say(verdict)} changes={[PATH]} onDone={() => setOpen(false)} />
          ))}
      {open &&
        subject === "ranking" &&
        made === undefined &&
        others.slice(0, 3).map((service) => (
          <ActButton key={service} small label={t("itWas", { service })} question={t("ranking_cause", { service })} act={say("wrong", service)} changes={[PATH]} onDone={() => setOpen(false)} />
        ))}
    </span>
  );
}
