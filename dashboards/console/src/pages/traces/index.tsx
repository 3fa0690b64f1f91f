import { useCallback } from "react";
import type { ReactNode } from "react";
import { useApi } from "../../api/queries";
import { Heatmap } from "../../shared/Heatmap";
import type { Picked } from "../../shared/heatmap";
import { QueryBox } from "../../shared/query/QueryBox";
import { withCondition } from "../../shared/query/query";
import { SPAN_QUERIES } from "../../shared/query/suggest";
import { absolute } from "../../shell/range";
import "../../shared/explore.css";
import { Page } from "../../shell/Page";
import { usePageSearch } from "../../shell/search";
import type { Facets, Found, TraceHeatmap } from "./model/answers";
import { parseState, toggled } from "./state";
import { t } from "./strings";
import "./traces.css";
import { CommonPanel } from "./views/CommonPanel";
import { Compare } from "./views/Compare";
import { FacetList } from "./views/FacetList";
import { TraceTable } from "./views/TraceTable";

const PAGE = 50;

/** Search for traces: a query, what there is to choose from, when and how slow, and the traces found. */
export default function TracesPage(): ReactNode {
  const [state, change] = usePageSearch(parseState);
  const { query, compare } = state;
  const search = useCallback((q: string) => change({ q, cursor: undefined, skipped: undefined }, true), [change]);
  const narrow = useCallback((condition: string) => search(withCondition(query, condition)), [search, query]);
  const choose = useCallback((id: string) => change({ compare: toggled(compare, id).join(",") }, true), [change, compare]);
  const [a, b] = compare;
  if (a && b) {
    return (
      <Page title={t("compare")}>
        <div className="traces-page">
          <Compare a={a} b={b} onBack={() => change({ compare: undefined }, true)} onSwap={() => change({ compare: `${b},${a}` })} />
        </div>
      </Page>
    );
  }
  const pick = ({ since, until, low, high }: Picked): void => {
    const conditions = [low !== null && `duration>=${written(low)}`, high !== null && `duration<${written(high)}`].filter((text) => text !== false);
    const range = absolute(since / 1e6, until / 1e6);
    change({ ...range, q: conditions.reduce(withCondition, query), cursor: undefined, skipped: undefined }, true);
  };
  return (
    <Page title={t("traces")}>
      <div className="traces-page">
      <div className="traces-search">
        <QueryBox label={t("query")} placeholder={t("query.example")} value={query} language={SPAN_QUERIES} onSearch={search} />
      </div>
      {a && (
        <p className="note">
          {t("compare.first", { id: a })}{" "}
          <button type="button" className="link" onClick={() => change({ compare: undefined })}>
            {t("compare.stop")}
          </button>
        </p>
      )}
      <div className="traces-split">
        <FoundFacets query={query} onCondition={narrow} />
        <div className="traces-main">
          <FoundHeatmap query={query} onPick={pick} />
          <CommonPanel query={query} which={state.common} onWhich={(common) => change({ common })} onCondition={narrow} />
          <FoundTraces state={state} change={change} onChoose={choose} />
        </div>
      </div>
      </div>
    </Page>
  );
}

function FoundFacets({ query, onCondition }: { query: string; onCondition: (condition: string) => void }): ReactNode {
  const { data, isPlaceholderData } = useApi<Facets>("/api/v1/traces/facets", { q: query });
  return <FacetList facets={data?.body.facets ?? []} old={isPlaceholderData} onCondition={onCondition} />;
}

function FoundHeatmap({ query, onPick }: { query: string; onPick: (picked: Picked) => void }): ReactNode {
  const { data } = useApi<TraceHeatmap>("/api/v1/traces/heatmap", { q: query });
  if (!data || data.body.durations.length < 2) return null;
  const { since, step, durations, counts } = data.body;
  const cells = { since, step, bounds: durations, counts };
  return <Heatmap data={cells} label={t("heatmap")} count={(count) => t("heatmap.spans", { count })} onPick={onPick} />;
}

interface FoundProps {
  state: ReturnType<typeof parseState>;
  change: (change: Record<string, string | undefined>, push?: boolean) => void;
  onChoose: (id: string) => void;
}

function FoundTraces({ state, change, onChoose }: FoundProps): ReactNode {
  const { query, order, cursor, skipped, compare } = state;
  const asked = useApi<Found>("/api/v1/traces", { q: query, order, cursor, limit: PAGE });
  if (asked.error && !asked.data) {
    return (
      <p role="alert" className="trouble">
        {asked.error.message}
      </p>
    );
  }
  if (!asked.data) {
    return (
      <p role="status" className="quiet" aria-busy="true">
        {t("searching")}
      </p>
    );
  }
  return (
    <TraceTable
      found={asked.data.body}
      trouble={asked.error?.message ?? ""}
      old={asked.isPlaceholderData || asked.error !== null}
      {...{ order, skipped, chosen: compare, onChoose }}
      onOrder={(to) => change({ order: to === "newest" ? undefined : to, cursor: undefined, skipped: undefined })}
      onPage={(to, before) => change({ cursor: to, skipped: before ? String(before) : undefined }, true)}
    />
  );
}

/** A duration as a query has it: without spaces, and exact enough that the query means what was drawn. */
function written(ns: number): string {
  if (ns < 1e3) return `${Math.round(ns)}ns`;
  if (ns < 1e6) return `${Number((ns / 1e3).toPrecision(4))}us`;
  return ns < 1e9 ? `${Number((ns / 1e6).toPrecision(4))}ms` : `${Number((ns / 1e9).toPrecision(4))}s`;
}
