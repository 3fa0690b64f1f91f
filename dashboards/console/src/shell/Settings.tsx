import { useSyncExternalStore } from "react";

import { address } from "../api/client";
import { useSession } from "../api/session";
import { languageStore, useLanguage, type Language } from "../i18n";
import { Icon } from "./Icon";
import { Popover } from "./Popover";
import { t } from "./strings";
import { themeStore, type Theme } from "./theme";

const THEMES: Theme[] = ["auto", "light", "dark"];
const LANGUAGES: [Language, string][] = [
  ["en", "English"],
  ["zh", "中文"],
];

/** Theme, language, who is logged in. */
export function Settings({ showKeys }: { showKeys: () => void }) {
  const theme = useSyncExternalStore(themeStore.subscribe, themeStore.get);
  const language = useLanguage();
  const session = useSession();
  return (
    <Popover label={t("settings")} button={<Icon name="settings" />} className="at-right">
      {(close) => (
        <div className="settings">
          <fieldset>
            <legend>{t("theme")}</legend>
            {THEMES.map((each) => (
              <label key={each}>
                <input type="radio" name="theme" checked={theme === each} onChange={() => themeStore.set(each)} /> {t(each)}
              </label>
            ))}
          </fieldset>
          <fieldset>
            <legend>{t("language")}</legend>
            {LANGUAGES.map(([each, name]) => (
              <label key={each} lang={each}>
                <input type="radio" name="language" checked={language === each} onChange={() => languageStore.set(each)} /> {name}
              </label>
            ))}
          </fieldset>
          <button
            type="button"
            className="button small"
            onClick={() => {
              close();
              showKeys();
            }}
          >
            {t("keys")}
          </button>
          {(session?.source === "token" || session?.source === "oidc") && (
            <form method="post" action={address("/logout")}>
              <p className="quiet">
                {session.name} ({session.role})
              </p>
              <button type="submit" className="button small">
                {t("logOut")}
              </button>
            </form>
          )}
        </div>
      )}
    </Popover>
  );
}
