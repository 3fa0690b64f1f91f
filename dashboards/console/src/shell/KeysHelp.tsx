import { useEffect, useRef } from "react";

import { PAGES } from "./pages";
import { t } from "./strings";

/** The keys, in a dialog. */
export function KeysHelp({ onClose }: { onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} className="keys" aria-label={t("keys")} onClose={onClose}>
      <h2>{t("keys")}</h2>
      <dl>
        <dt>
          <kbd>/</kbd>
        </dt>
        <dd>{t("search")}</dd>
        {PAGES.map(({ name, letter }) => (
          <div key={name}>
            <dt>
              <kbd>g</kbd> <kbd>{letter}</kbd>
            </dt>
            <dd>{t(name)}</dd>
          </div>
        ))}
        <dt>
          <kbd>?</kbd>
        </dt>
        <dd>{t("keys")}</dd>
      </dl>
      <button type="button" className="button" onClick={() => dialog.current?.close()}>
        {t("close")}
      </button>
    </dialog>
  );
}
