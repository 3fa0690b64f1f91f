import { useNavigate } from "@tanstack/react-router";
import { useState, type FormEvent } from "react";

import { type Answer, useApi } from "../api/queries";
import { Icon } from "./Icon";
import { searchTarget } from "./searchTarget";
import { t } from "./strings";

export const SEARCH_ID = "global-search";

interface Named {
  services: { name: string }[];
}

/** Services that are offered. */
const MOST = 500;

function namesOf(answer: Answer<Named> | undefined): string[] {
  return [...new Set(answer?.body.services.map((service) => service.name))];
}

/** One field for a trace id, a service or a condition. Services of the range are offered while one types. */
export function GlobalSearch() {
  const [text, setText] = useState("");
  const [used, setUsed] = useState(false);
  const navigate = useNavigate();
  const found = useApi<Named>("/api/v1/services", {}, { enabled: used, every: false });
  const services = namesOf(found.data).slice(0, MOST);
  const go = async (event: FormEvent) => {
    event.preventDefault();
    // Whether it is a service is not known before the services are: who types quickly waits for them.
    const target = searchTarget(text, namesOf(found.data ?? (await found.refetch()).data));
    if (!target) return;
    setText("");
    if (target.to === "/traces/$trace") void navigate({ to: target.to, params: { trace: target.trace } });
    else if (target.to === "/services/$") void navigate({ to: target.to, params: { _splat: target.service } });
    else void navigate({ to: target.to, search: { q: target.q } });
  };
  return (
    <form className="global-search" role="search" onSubmit={(event) => void go(event)}>
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
