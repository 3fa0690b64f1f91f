import { useNavigate } from "@tanstack/react-router";
import { useState, type FormEvent } from "react";

import { useApi } from "../api/queries";
import { Icon } from "./Icon";
import { searchTarget } from "./searchTarget";
import { t } from "./strings";

export const SEARCH_ID = "global-search";

/** One field for a trace id, a service or a condition. Services of the range are offered while one types. */
export function GlobalSearch() {
  const [text, setText] = useState("");
  const [used, setUsed] = useState(false);
  const navigate = useNavigate();
  const found = useApi<{ services: { name: string }[] }>("/api/v1/services", {}, { enabled: used, every: false });
  const services = [...new Set(found.data?.body.services.map((service) => service.name))].slice(0, 500);
  const go = (event: FormEvent) => {
    event.preventDefault();
    const target = searchTarget(text, services);
    if (!target) return;
    setText("");
    if (target.to === "/traces/$trace") void navigate({ to: target.to, params: { trace: target.trace } });
    else if (target.to === "/services/$") void navigate({ to: target.to, params: { _splat: target.service } });
    else void navigate({ to: target.to, search: { q: target.q } });
  };
  return (
    <form className="global-search" role="search" onSubmit={go}>
      <Icon name="search" />
      <input
        id={SEARCH_ID}
        className="field"
        type="search"
        placeholder={t("searchHint")}
        aria-label={t("search")}
        autoComplete="off"
        spellCheck={false}
        maxLength={1_000}
        list={`${SEARCH_ID}-services`}
        value={text}
        onFocus={() => setUsed(true)}
        onChange={(event) => setText(event.target.value)}
      />
      <datalist id={`${SEARCH_ID}-services`}>
        {services.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </form>
  );
}
