import { useCallback, useMemo, useState } from "react";

import { useApi } from "../../api/queries";
import { Page } from "../../shell/Page";
import { EmptyState, Answered } from "../../shared/States";
import { usePageSearch } from "../../shell/search";
import type { MapAnswer } from "./api";
import { Canvas } from "./Canvas";
import { EdgeTable } from "./EdgeTable";
import { around, found, graphOf, groupKey, grouped, MANY, unusual, type Graph } from "./graph/graph";
import { Panel } from "./Panel";
import { MOST_HOPS, parseMapSearch, type MapSearch } from "./search";
import { t } from "./strings";
import { useLayout } from "./useLayout";
import "../../shared/ops.css";
import "./map.css";

export default function MapPage() {
  const asked = useApi<MapAnswer>("/api/v1/map");
  return (
    <Page title={t("title")}>
      <Answered query={asked} lines={8}>
        {(answer) =>
          answer.nodes.length === 0 ? (
            <EmptyState title={t("empty")}>
              <p>{t("emptyText")}</p>
            </EmptyState>
          ) : (
            <ServiceMap answer={answer} />
          )
        }
      </Answered>
    </Page>
  );
}

/** The graph that the address asks for, of all that the API gave. */
function chosen(whole: Graph, answer: MapAnswer, search: MapSearch): { graph: Graph; shows: "all" | "unusual" | "focus" | "calm" } {
  const keys = new Map(answer.nodes.map((node) => [node.id, groupKey(node, search.group)]));
  const graph = search.group === "none" ? whole : grouped(whole, keys, new Set(search.open));
  if (search.focus) {
    const centre = graph.vertices.filter((vertex) => vertex.id === search.focus || vertex.members.includes(search.focus));
    if (centre.length > 0) return { graph: around(graph, centre.map((vertex) => vertex.id), search.hops), shows: "focus" };
  }
  const few = search.show === "unusual" || (search.show === "" && graph.vertices.length > MANY);
  if (!few) return { graph, shows: "all" };
  const odd = unusual(graph, search.pick);
  return odd.vertices.length > 0 ? { graph: odd, shows: "unusual" } : { graph, shows: "calm" };
}

function ServiceMap({ answer }: { answer: MapAnswer }) {
  const [search, change] = usePageSearch(parseMapSearch);
  const [text, setText] = useState("");
  const whole = useMemo(() => graphOf(answer.nodes, answer.edges), [answer]);
  const names = useMemo(() => new Map(answer.nodes.map((node) => [node.id, node.name])), [answer]);
  const { graph, shows } = useMemo(() => chosen(whole, answer, search), [whole, answer, search]);
  const { layout, fresh, error } = useLayout(graph);
  const hits = useMemo(() => found(graph, names, text), [graph, names, text]);
  const marked = useMemo(
    () => new Set(text ? hits.map((hit) => hit.id) : graph.vertices.filter((each) => each.id === search.focus || each.members.includes(search.focus)).map((each) => each.id)),
    [text, hits, search.focus, graph],
  );
  const pick = useCallback((id: string) => change({ pick: id }), [change]);
  const focus = useCallback((id: string) => change({ focus: id, pick: id }, true), [change]);
  const vertex = graph.vertices.find((each) => each.id === search.pick);
  const link = graph.links.find((each) => each.id === search.pick);
  const elsewhere = text.trim() && hits.length === 0 ? found(whole, names, text)[0] : undefined;
  const known = search.pick !== "" && (vertex !== undefined || link !== undefined || answer.nodes.some((node) => node.id === search.pick) || answer.edges.some((edge) => edge.id === search.pick));

  return (
    <>
      <form
        className="map-bar"
        onSubmit={(event) => {
          event.preventDefault();
          const first = hits[0] ?? elsewhere;
          if (first !== undefined) focus(first.id);
        }}
      >
        <label>
          {t("search")}{" "}
          <input type="search" value={text} list="map-names" onChange={(event) => setText(event.target.value)} />
        </label>
        <datalist id="map-names">
          {[...new Set(names.values())].map((name) => (
            <option key={name} value={name} />
          ))}
        </datalist>
        <label>
          {t("hops")}{" "}
          <select value={search.hops} onChange={(event) => change({ hops: event.target.value })} disabled={!search.focus}>
            {Array.from({ length: MOST_HOPS }, (_, i) => (
              <option key={i + 1}>{i + 1}</option>
            ))}
          </select>
        </label>
        <label>
          {t("group")}{" "}
          <select value={search.group} onChange={(event) => change({ group: event.target.value, open: "", pick: "" }, true)}>
            <option value="none">{t("none")}</option>
            <option value="namespace">{t("namespace")}</option>
            <option value="prefix">{t("prefix")}</option>
          </select>
        </label>
        <span role="group" aria-label={t("view")} className="toggle">
          {(["graph", "table"] as const).map((view) => (
            <button key={view} type="button" className="button" aria-pressed={search.view === view} onClick={() => change({ view })}>
              {t(view)}
            </button>
          ))}
        </span>
      </form>
      <p className="map-summary" role="status">
        {summary(search, shows, graph, whole, names)}{" "}
        {shows === "unusual" && (
          <button type="button" className="link-button" onClick={() => change({ show: "all" }, true)}>
            {t("all")}
          </button>
        )}
        {shows === "all" && (
          <button type="button" className="link-button" onClick={() => change({ show: "unusual" }, true)}>
            {t("onlyUnusual")}
          </button>
        )}
        {shows === "focus" && (
          <button type="button" className="link-button" onClick={() => change({ focus: "" }, true)}>
            {t("unfocus")}
          </button>
        )}
        {search.open.map((name) => (
          <button key={name} type="button" className="link-button" onClick={() => change({ open: search.open.filter((each) => each !== name).join(",") })}>
            {t("closeGroup", { name })}
          </button>
        ))}
      </p>
      <div className={known ? "map-body split" : "map-body"}>
      {search.view === "table" ? (
        <EdgeTable answer={answer} graph={graph} pick={pick} />
      ) : (
        <div>
          {error !== "" && (
            <p className="trouble" role="alert">
              {t("layoutFailed", { reason: error })}
            </p>
          )}
          {layout === null ? (
            <div className="map-canvas waiting" role="status" aria-busy="true">
              {t("layingOut", { n: graph.vertices.length })}…
            </div>
          ) : (
            <Canvas graph={graph} layout={layout} marked={marked} centred={text !== ""} picked={search.pick} pick={pick} busy={!fresh} />
          )}
          <p className="map-legend" aria-hidden="true">
            {t("legend")}: {t("asUsual")} {[0, 1, 2, 3, 4].map((each) => <i key={each} className={`swatch s${each}`} />)} {t("farFromUsual")}
          </p>
        </div>
      )}
      {known && (
        <Panel
          answer={answer}
          id={search.pick}
          members={vertex?.members ?? link?.members ?? []}
          group={vertex?.group ?? ""}
          pick={pick}
          focus={focus}
          open={(group) => change({ open: [...search.open, group].join(","), pick: "" }, true)}
          close={() => change({ pick: "" })}
        />
      )}
      </div>
    </>
  );
}

function summary(search: MapSearch, shows: string, graph: Graph, whole: Graph, names: ReadonlyMap<string, string>): string {
  const counts = { shown: graph.vertices.length, all: whole.vertices.length, links: graph.links.length };
  if (shows === "focus") {
    const name = names.get(search.focus) ?? graph.vertices.find((each) => each.id === search.focus)?.name ?? search.focus;
    return `${t("focused", { count: search.hops, name })}: ${t("summary", counts)}`;
  }
  if (shows === "calm") return t("nothingUnusual", counts);
  return t(shows === "unusual" ? "summaryUnusual" : "summary", counts);
}
