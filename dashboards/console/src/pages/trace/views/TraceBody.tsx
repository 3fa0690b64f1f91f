import { useCallback, useEffect, useMemo, useState } from "react";
import type { ReactNode } from "react";
import type { TraceAnswer } from "../model/answer";
import { colorsOf } from "../model/colors";
import { collapsedBelow, isFiltering, matches, revealed, visibleRows } from "../model/rows";
import { formatZoom, parseZoom } from "../model/scale";
import { buildTrace, hasShifts } from "../model/trace";
import type { Stretch } from "../model/trace";
import { VIEWS } from "../state";
import type { TraceState } from "../state";
import { usePick } from "../usePick";
import { FilterBar } from "./FilterBar";
import { Flame } from "./Flame";
import { Graph } from "./Graph";
import { Headline } from "./Headline";
import { Legend } from "./Legend";
import { Minimap } from "./Minimap";
import { Notes } from "./Notes";
import { Operations } from "./Operations";
import { SpanDrawer } from "./SpanDrawer";
import { Waterfall } from "./Waterfall";
import { t } from "../strings";

interface Props {
  id: string;
  answer: TraceAnswer;
  state: TraceState;
  change: (change: Record<string, string | undefined>, push?: boolean) => void;
}

export function TraceBody({ id, answer, state, change }: Props): ReactNode {
  const skewed = useMemo(() => hasShifts(answer), [answer]);
  const clock = skewed ? state.clock : "recorded";
  const trace = useMemo(() => buildTrace(id, answer, clock), [id, answer, clock]);
  const colors = useMemo(() => colorsOf(trace.services), [trace]);
  const [collapsed, setCollapsed] = useState<ReadonlySet<string>>(new Set());
  const view = useMemo(() => parseZoom(state.zoom, trace.duration), [state.zoom, trace]);
  const { text, atLeast, errors, critical } = state.filter;
  const matching = useMemo(() => matches(trace, { text, atLeast, errors, critical }), [trace, text, atLeast, errors, critical]);
  const rows = useMemo(() => visibleRows(trace, collapsed, matching), [trace, collapsed, matching]);
  const write = useCallback((span: string) => change({ span: span || undefined }), [change]);
  const [pickedId, pick] = usePick(state.span, write);
  const picked = trace.byId.get(pickedId);
  const close = useCallback(() => pick(""), [pick]);
  const zoom = useCallback((to: Stretch) => change({ zoom: formatZoom(to, trace.duration) }), [change, trace]);
  const toggle = useCallback((span: string) => {
    setCollapsed((before) => {
      const after = new Set(before);
      if (!after.delete(span)) after.add(span);
      return after;
    });
  }, []);
  useEffect(() => {
    const open = revealed(collapsed, picked);
    if (open !== collapsed) setCollapsed(open);
    // Only a new pick is brought into sight: a span above it may be collapsed afterwards.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [picked]);

  const hops = useMemo(() => answer.hops.filter((hop) => picked && [hop.client_span_id, hop.server_span_id].includes(picked.id)), [answer, picked]);
  const logs = useMemo(() => answer.logs.filter((log) => picked && log.span_id === picked.id), [answer, picked]);

  return (
    <div className="trace-page">
      <Headline trace={trace} hops={answer.hops} onPick={pick} />
      <Notes answer={answer} trace={trace} />
      <div className="trace-bar">
        <div role="group" aria-label={t("trace.view")} className="segments">
          {VIEWS.map((name) => (
            <button key={name} type="button" aria-pressed={state.view === name} onClick={() => change({ view: name === "waterfall" ? undefined : name }, true)}>
              {t(`view.${name}`)}
            </button>
          ))}
        </div>
        {skewed && (
          <div role="group" aria-label={t("trace.clock")} className="segments">
            {(["recorded", "root"] as const).map((name) => (
              <button key={name} type="button" aria-pressed={clock === name} onClick={() => change({ clock: name === "root" ? name : undefined })}>
                {t(`trace.clock.${name}`)}
              </button>
            ))}
          </div>
        )}
        {state.view === "waterfall" && (
          <FilterBar state={state} change={change} found={matching ? matching.size : null} all={trace.spans.length}>
            <button type="button" onClick={() => setCollapsed(collapsedBelow(trace, 1))}>
              {t("collapse.all")}
            </button>
            <button type="button" onClick={() => setCollapsed(new Set())} disabled={collapsed.size === 0}>
              {t("expand.all")}
            </button>
            <button type="button" onClick={() => change({ zoom: undefined })} disabled={!state.zoom}>
              {t("zoom.reset")}
            </button>
          </FilterBar>
        )}
      </div>
      <div className={picked ? "trace-split with-drawer" : "trace-split"}>
        <div className="trace-main">
          {state.view === "waterfall" && (
            <>
              <Minimap trace={trace} view={view} colors={colors} onView={zoom} />
              {rows.length === 0 && isFiltering(state.filter) && <p className="quiet">{t("filter.none")}</p>}
              <Waterfall {...{ rows, matching, view, colors, collapsed }} picked={pickedId} onPick={pick} onToggle={toggle} />
              <Legend colors={colors} />
            </>
          )}
          {state.view === "flame" && <Flame trace={trace} colors={colors} picked={pickedId} onPick={pick} />}
          {state.view === "graph" && <Graph trace={trace} hops={answer.hops} colors={colors} onPick={pick} />}
          {state.view === "table" && <Operations trace={trace} colors={colors} picked={pickedId} onPick={pick} />}
        </div>
        {picked && <SpanDrawer span={picked} hops={hops} logs={logs} start={trace.start} onClose={close} onPick={pick} />}
      </div>
    </div>
  );
}
