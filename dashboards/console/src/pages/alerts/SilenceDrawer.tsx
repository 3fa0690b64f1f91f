import { useState } from "react";

import { send } from "../../api/client";
import { useApi } from "../../api/queries";
import { ActButton } from "../../shared/ActButton";
import { Drawer } from "../../shared/Drawer";
import { dateTime } from "../../shared/format";
import { Answered } from "../../shared/States";
import { matcherText, silenceFault } from "./matchers";
import type { GettableAlert, GettableSilence, Matcher } from "./model";
import { t } from "./strings";

export interface Draft {
  /** Of the silence that is changed; empty for a new one. */
  id: string;
  matchers: Matcher[];
  comment: string;
  minutes: number;
}

const PRESETS: readonly [number, string][] = [
  [30, "30 min"],
  [60, "1 h"],
  [120, "2 h"],
  [240, "4 h"],
  [480, "8 h"],
  [1_440, "1 d"],
  [10_080, "7 d"],
];

const OPERATORS: readonly { text: string; isEqual: boolean; isRegex: boolean }[] = [
  { text: "=", isEqual: true, isRegex: false },
  { text: "!=", isEqual: false, isRegex: false },
  { text: "=~", isEqual: true, isRegex: true },
  { text: "!~", isEqual: false, isRegex: true },
];

/** The draft that changes a silence: what is left of its time is offered. */
export function draftOf(silence: GettableSilence, now: number): Draft {
  const left = Math.max(1, Math.round((Date.parse(silence.endsAt) - now) / 60_000));
  return { id: silence.status.state === "expired" ? "" : silence.id, matchers: silence.matchers, comment: silence.comment, minutes: silence.status.state === "expired" ? 120 : left };
}

/** Makes a silence, or changes one; shows beforehand what it matches, by the server's own matching. */
export function SilenceDrawer({ draft, close }: { draft: Draft; close: (id?: string) => void }) {
  const [matchers, setMatchers] = useState(draft.matchers);
  const [comment, setComment] = useState(draft.comment);
  const [minutes, setMinutes] = useState(draft.minutes);
  const fault = silenceFault(matchers, comment, minutes);
  const shown = fault === null || fault === "no_comment" || fault === "no_duration";
  const change = (at: number, changed: Partial<Matcher>) =>
    setMatchers(matchers.map((each, i) => (i === at ? { ...each, ...changed } : each)));
  const act = async () => {
    const now = Date.now();
    const body = {
      ...(draft.id ? { id: draft.id } : {}),
      matchers,
      startsAt: new Date(now).toISOString(),
      endsAt: new Date(now + minutes * 60_000).toISOString(),
      createdBy: "console",
      comment: comment.trim(),
    };
    const made = await send<{ silenceID: string }>("/api/v2/silences", body);
    close(made.silenceID);
  };
  return (
    <Drawer title={t(draft.id ? "editSilence" : "newSilence")} onClose={() => close()}>
      <form className="silence" onSubmit={(event) => event.preventDefault()}>
        <fieldset>
          <legend>{t("matchers")}</legend>
          <p className="quiet">{t("matcherHint")}</p>
          {matchers.map((matcher, at) => (
            <div className="matcher" key={at}>
              <input aria-label={t("label")} value={matcher.name} onChange={(event) => change(at, { name: event.target.value })} />
              <select
                aria-label={t("operator")}
                value={OPERATORS.findIndex((each) => each.isEqual === matcher.isEqual && each.isRegex === matcher.isRegex)}
                onChange={(event) => {
                  const { isEqual = true, isRegex = false } = OPERATORS[Number(event.target.value)] ?? {};
                  change(at, { isEqual, isRegex });
                }}
              >
                {OPERATORS.map((each, i) => (
                  <option key={each.text} value={i}>
                    {each.text}
                  </option>
                ))}
              </select>
              <input aria-label={t("matcherValue")} value={matcher.value} onChange={(event) => change(at, { value: event.target.value })} />
              <button
                type="button"
                className="button small"
                aria-label={t("removeMatcher", { matcher: matcherText(matcher) })}
                onClick={() => setMatchers(matchers.filter((_, i) => i !== at))}
              >
                ✕
              </button>
            </div>
          ))}
          <button type="button" className="button small" onClick={() => setMatchers([...matchers, { name: "", value: "", isEqual: true, isRegex: false }])}>
            {t("addMatcher")}
          </button>
        </fieldset>
        <fieldset>
          <legend>{t("duration")}</legend>
          <div className="presets">
            {PRESETS.map(([value, text]) => (
              <button key={value} type="button" className="button small" aria-pressed={minutes === value} onClick={() => setMinutes(value)}>
                {text}
              </button>
            ))}
          </div>
          <label>
            {t("minutes")}{" "}
            <input type="number" min={1} max={525_600} value={Number.isNaN(minutes) ? "" : minutes} onChange={(event) => setMinutes(event.target.valueAsNumber)} />
          </label>{" "}
          {Number.isFinite(minutes) && minutes > 0 && <span className="quiet">{t("until", { time: dateTime(Date.now() + minutes * 60_000) })}</span>}
        </fieldset>
        <label className="wide">
          {t("comment")}
          <textarea rows={2} value={comment} placeholder={t("commentHint")} maxLength={2_000} onChange={(event) => setComment(event.target.value)} />
        </label>
        <section aria-label={t("preview")} aria-live="polite">
          <h3>{t("preview")}</h3>
          {shown ? <Preview matchers={matchers} /> : <p className="quiet">{t(fault)}</p>}
        </section>
        <ActButton
          label={t(draft.id ? "save" : "create")}
          tone="primary"
          blocked={fault === null ? undefined : t(fault)}
          act={act}
          changes={["/api/v2/"]}
        />
      </form>
    </Drawer>
  );
}

function Preview({ matchers }: { matchers: readonly Matcher[] }) {
  const query = matchers.map((matcher) => `filter=${encodeURIComponent(matcherText(matcher))}`).join("&");
  const asked = useApi<GettableAlert[]>(`/api/v2/alerts?${query}`, {}, { ranged: false });
  return (
    <Answered query={asked} lines={2}>
      {(alerts) =>
        alerts.length === 0 ? (
          <p className="quiet">{t("previewNone")}</p>
        ) : (
          <>
            <p>{t("count", { count: alerts.length })}</p>
            <ul className="plain-list preview">
              {alerts.slice(0, 50).map((alert) => (
                <li key={alert.fingerprint}>
                  <b>{alert.labels["alertname"]}</b> {alert.labels["service"]} <span className="quiet">{alert.annotations["summary"]}</span>
                </li>
              ))}
            </ul>
          </>
        )
      }
    </Answered>
  );
}
