import { useState } from "react";

import { t } from "./strings";

/** A button that copies a text; what is copied is in its name. */
export function Copy({ text, label }: { text: string; label?: string }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Over plain HTTP a browser has no clipboard to write to; the old way still works.
      const field = Object.assign(document.createElement("textarea"), { value: text });
      document.body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
    }
    setDone(true);
    setTimeout(() => setDone(false), 1_500);
  };
  return (
    <button type="button" className="button small" onClick={() => void copy()} aria-label={`${t("copy")} ${label ?? text}`}>
      {done ? t("copied") : t("copy")}
    </button>
  );
}
