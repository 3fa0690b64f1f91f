import { useVirtualizer } from "@tanstack/react-virtual";
import { memo, useEffect, useRef } from "react";
import type { KeyboardEvent, ReactNode } from "react";
import { duration } from "../../../shared/format";
import { ticks } from "../model/scale";
import type { Span, Stretch } from "../model/trace";
import { Bar } from "./Bar";
import { t } from "../strings";

interface Props {
  rows: readonly Span[];
  /** Spans that a filter means; null where there is none. */
  matching: ReadonlySet<Span> | null;
  view: Stretch;
  colors: ReadonlyMap<string, string>;
  collapsed: ReadonlySet<string>;
  picked: string;
  onPick: (id: string) => void;
  onToggle: (id: string) => void;
}

const ROW = 26;
const HEAD = 24;
const TICKS = 6;
/** Levels that are drawn by indentation. */
const DEEPEST = 24;

/** The waterfall: a tree grid of which only the rows in sight are in the page. */
export function Waterfall({ rows, matching, view, colors, collapsed, picked, onPick, onToggle }: Props): ReactNode {
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => scroller.current, estimateSize: () => ROW, overscan: 12, scrollMargin: HEAD, scrollPaddingStart: HEAD });
  const place = rows.findIndex((span) => span.id === picked);

  useEffect(() => {
    if (place >= 0) virtual.scrollToIndex(place, { align: "auto" });
    // Only a new pick moves the rows; a filter or a zoom leaves them where they are.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [picked]);

  const onKey = (event: KeyboardEvent): void => {
    const span = rows[place];
    const to = { ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: rows.length - 1, PageDown: place + 20, PageUp: place - 20 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      const next = rows[Math.min(Math.max(0, to), rows.length - 1)];
      if (next) onPick(next.id);
    } else if (span && event.key === "ArrowLeft") {
      event.preventDefault();
      if (span.children.length > 0 && !collapsed.has(span.id)) onToggle(span.id);
      else if (span.parent) onPick(span.parent.id);
    } else if (span && event.key === "ArrowRight" && collapsed.has(span.id)) {
      event.preventDefault();
      onToggle(span.id);
    }
  };

  return (
    <div
      ref={scroller}
      className="waterfall"
      role="treegrid"
      aria-label={t("trace.waterfall")}
      aria-rowcount={rows.length + 1}
      aria-colcount={2}
      aria-activedescendant={place >= 0 ? rowId(picked) : undefined}
      tabIndex={0}
      onKeyDown={onKey}
    >
      <div className="waterfall-head" role="row" aria-rowindex={1}>
        <div role="columnheader" className="who">
          {t("trace.column.span")}
        </div>
        <div role="columnheader" className="ruler" aria-label={t("trace.column.time")}>
          {ticks(view, TICKS).map((time) => (
            <span key={time} className="tick" style={{ left: `${((time - view.start) / Math.max(1, view.end - view.start)) * 100}%` }}>
              {time === 0 ? "0" : duration(time)}
            </span>
          ))}
        </div>
      </div>
      <div className="waterfall-rows" role="rowgroup" style={{ height: virtual.getTotalSize() }}>
          {virtual.getVirtualItems().map((item) => {
            const span = rows[item.index];
            if (!span) return null;
            return (
              <Row
                key={span.id}
                span={span}
                index={item.index}
                top={item.start - HEAD}
                view={view}
                color={colors.get(span.service) ?? "gray"}
                collapsed={collapsed.has(span.id)}
                picked={span.id === picked}
                dim={matching !== null && !matching.has(span)}
                onPick={onPick}
                onToggle={onToggle}
              />
            );
          })}
      </div>
    </div>
  );
}

interface RowProps {
  span: Span;
  index: number;
  top: number;
  view: Stretch;
  color: string;
  collapsed: boolean;
  picked: boolean;
  dim: boolean;
  onPick: (id: string) => void;
  onToggle: (id: string) => void;
}

const Row = memo(function Row({ span, index, top, view, color, collapsed, picked, dim, onPick, onToggle }: RowProps): ReactNode {
  const below = span.children.length > 0;
  const marks = ["span-row", picked ? "picked" : "", dim ? "dim" : ""].join(" ");
  return (
    <div
      id={rowId(span.id)}
      className={marks}
      role="row"
      aria-rowindex={index + 2}
      aria-level={span.depth + 1}
      aria-selected={picked}
      {...(below ? { "aria-expanded": !collapsed } : {})}
      style={{ transform: `translateY(${top}px)` }}
      onClick={() => onPick(span.id)}
    >
      <div className="who" role="gridcell" style={{ paddingLeft: Math.min(span.depth, DEEPEST) * 12 + 4 }}>
        {below ? (
          <button
            type="button"
            className="span-toggle"
            tabIndex={-1}
            aria-label={t(collapsed ? "trace.expand" : "trace.collapse", { count: span.descendants })}
            onClick={(event) => {
              event.stopPropagation();
              onToggle(span.id);
            }}
          >
            {collapsed ? span.descendants : "▾"}
          </button>
        ) : (
          <span className="span-toggle" />
        )}
        <span className="dot" style={{ background: color }} />
        <span className="name" title={`${span.service} ${span.name}`}>
          <b>{span.service}</b> {span.name}
        </span>
        {span.failed && <span className="tag bad">{t("trace.error")}</span>}
        {span.usual !== null && <span className="tag warn">{t("trace.usually", { time: duration(span.usual) })}</span>}
        {span.shift !== 0 && <span className="tag" title={t("trace.shifted")}>{signed(span.shift)}</span>}
      </div>
      <div className="time" role="gridcell" aria-label={t("trace.row.time", { at: duration(span.start), time: duration(span.duration) })}>
        <Bar span={span} view={view} color={color} />
      </div>
    </div>
  );
});

export function signed(time: number): string {
  return `${time > 0 ? "+" : "-"}${duration(Math.abs(time))}`;
}

function rowId(span: string): string {
  return `span-${span}`;
}
