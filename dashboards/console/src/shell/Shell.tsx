import { Outlet } from "@tanstack/react-router";
import { useCallback, useEffect, useState } from "react";

import { useEvents } from "../api/live";
import { useLanguage } from "../i18n";
import { useFreshness } from "./freshness";
import { KeysHelp } from "./KeysHelp";
import { useKeys } from "./keys";
import { Rail } from "./Rail";
import { t } from "./strings";
import { TopBar } from "./TopBar";
import { useShellState } from "./useRange";
import "./shell.css";

/** What every page stands in. Where the server does not answer it says so, and greys out what may be old. */
export function Shell() {
  const [keys, setKeys] = useState(false);
  const showKeys = useCallback(() => setKeys(true), []);
  useKeys(showKeys);
  const { wrong, environment } = useShellState();
  useEvents(environment);
  const { age, away, retry } = useFreshness();
  const language = useLanguage();
  useEffect(() => {
    document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  }, [language]);
  return (
    <div className="shell">
      <a className="skip" href="#content" onClick={toContent}>
        {t("skip")}
      </a>
      <Rail />
      <div className="beside-rail">
        <TopBar age={age} showKeys={showKeys} />
        {away !== null && (
          <div className="banner bad" role="alert">
            <strong>{t("away")}</strong> {t("awayText")}{" "}
            <button type="button" className="button small" onClick={retry}>
              {t("retry")}
            </button>
          </div>
        )}
        {wrong && (
          <div className="banner warn" role="alert">
            {t("wrongRange")}
          </div>
        )}
        <main id="content" tabIndex={-1} className={away === null ? "" : "away"}>
          <Outlet />
        </main>
      </div>
      {keys && <KeysHelp onClose={() => setKeys(false)} />}
    </div>
  );
}

/** With a <base>, `#content` would be another page's. */
function toContent(event: React.MouseEvent): void {
  event.preventDefault();
  document.getElementById("content")?.focus();
}
