import { useIsFetching } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";

import { queryClient, useApi } from "../api/queries";
import { DataAge } from "./DataAge";
import type { Age } from "./freshness";
import { GlobalSearch } from "./GlobalSearch";
import { Icon } from "./Icon";
import { REFRESH, refreshStore, type RefreshName } from "./refresh";
import { usePageSearch } from "./search";
import { Settings } from "./Settings";
import { t } from "./strings";
import { TimeRange } from "./TimeRange";
import { useShellState } from "./useRange";

/** What is the same on every page: search, environment, time, refresh, age of the data, settings. */
export function TopBar({ age, showKeys }: { age: Age; showKeys: () => void }) {
  return (
    <header className="top-bar">
      <GlobalSearch />
      <Environment />
      <TimeRange />
      <Refresh />
      <DataAge age={age} />
      <Settings showKeys={showKeys} />
    </header>
  );
}

/** Only where there is something to choose. */
function Environment() {
  const { environment } = useShellState();
  const [, change] = usePageSearch(() => null);
  const found = useApi<{ environments: string[] }>("/api/v1/environments", {}, { every: 60_000 });
  const known = found.data?.body.environments ?? [];
  const names = environment && !known.includes(environment) ? [...known, environment] : known;
  if (names.length < 2 && !environment) return null;
  return (
    <select className="control" aria-label={t("environment")} value={environment} onChange={(event) => change({ env: event.target.value }, true)}>
      <option value="">{t("allEnvironments")}</option>
      {names.map((name) => (
        <option key={name} value={name}>
          {name}
        </option>
      ))}
    </select>
  );
}

function Refresh() {
  const chosen = useSyncExternalStore(refreshStore.subscribe, refreshStore.get);
  const busy = useIsFetching() > 0;
  return (
    <div className="refresh">
      <button
        type="button"
        className={`control icon-only ${busy ? "busy" : ""}`}
        aria-label={t("refreshNow")}
        title={t("refreshNow")}
        onClick={() => void queryClient.invalidateQueries()}
      >
        <Icon name="refresh" />
      </button>
      <select className="control" aria-label={t("refreshEvery")} value={chosen} onChange={(event) => refreshStore.set(event.target.value as RefreshName)}>
        {Object.keys(REFRESH).map((name) => (
          <option key={name} value={name}>
            {name === "off" ? t("off") : name}
          </option>
        ))}
      </select>
    </div>
  );
}
