import { Link } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useMemo, useRef } from "react";
import type { ReactNode } from "react";
import { useApi } from "../../../api/queries";
import { milliseconds } from "../../../api/client";
import { count as amount, dateTime, duration } from "../../../shared/format";
import type { TraceAnswer } from "../../trace/model/answer";
import { buildTrace } from "../../trace/model/trace";
import type { Trace } from "../../trace/model/trace";
import { compared } from "../model/compare";
import type { Compared, Side } from "../model/compare";
import { t } from "../strings";

interface Props {
  a: string;
  b: string;
  onBack: () => void;
  onSwap: () => void;
}

/** Two traces side by side: which call paths are only in one, occur more often, fail or take longer. */
export function Compare({ a, b, onBack, onSwap }: Props): ReactNode {
  const left = useTrace(a);
  const right = useTrace(b);
  const trouble = left.trouble || right.trouble;
  return (
    <>
      <div className="traces-bar">
        <button type="button" className="button small" onClick={onBack}>
          {t("compare.back")}
        </button>
        <button type="button" className="button small" onClick={onSwap}>
          {t("compare.swap")}
        </button>
      </div>
      {trouble && (
        <p role="alert" className="trouble">
          {trouble}
        </p>
      )}
      {!trouble && (!left.trace || !right.trace) && (
        <p role="status" className="quiet">
          {t("compare.loading")}
        </p>
      )}
      {left.trace && right.trace && <Difference a={left.trace} b={right.trace} />}
    </>
  );
}

function useTrace(id: string): { trace: Trace | null; trouble: string } {
  const { data, error, isPlaceholderData } = useApi<TraceAnswer>(`/api/v1/traces/${id}`, {}, { ranged: false, every: false });
  const trace = useMemo(() => (data && !isPlaceholderData ? buildTrace(id, data.body) : null), [id, data, isPlaceholderData]);
  return { trace, trouble: error?.message ?? "" };
}

const ROW = 28;

function Difference({ a, b }: { a: Trace; b: Trace }): ReactNode {
  const rows = useMemo(() => compared(a, b), [a, b]);
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => scroller.current, estimateSize: () => ROW, overscan: 12 });
  const differing = rows.filter((row) => row.differs !== "same").length;
  return (
    <>
      <p>{t("compare.result", { count: amount(differing), all: amount(rows.length) })}</p>
      <div className="compare" role="table" aria-label={t("compare")} aria-rowcount={rows.length + 1}>
        <div role="row" aria-rowindex={1} className="compare-row head">
          <span role="columnheader">{t("compare.path")}</span>
          <Head trace={a} letter="A" />
          <Head trace={b} letter="B" />
          <span role="columnheader">{t("compare.differs")}</span>
        </div>
        <div ref={scroller} role="rowgroup" className="compare-rows" tabIndex={0} aria-label={t("compare.rows")}>
          <div role="presentation" style={{ height: virtual.getTotalSize(), position: "relative" }}>
            {virtual.getVirtualItems().map((item) => {
              const row = rows[item.index];
              return row && <Row key={row.path} row={row} index={item.index} top={item.start} a={a} b={b} />;
            })}
          </div>
        </div>
      </div>
    </>
  );
}

function Head({ trace, letter }: { trace: Trace; letter: string }): ReactNode {
  return (
    <span role="columnheader">
      {letter}{" "}
      <Link to="/traces/$trace" params={{ trace: trace.id }}>
        <code>{trace.id.slice(0, 8)}</code>
      </Link>{" "}
      {duration(trace.duration)} <span className="quiet">{dateTime(milliseconds(trace.start), true)}</span>
    </span>
  );
}

function Row({ row, index, top, a, b }: { row: Compared; index: number; top: number; a: Trace; b: Trace }): ReactNode {
  const { differs } = row;
  return (
    <div role="row" aria-rowindex={index + 2} className={`compare-row differs-${differs}`} style={{ transform: `translateY(${top}px)` }}>
      <span role="cell" className="name" style={{ paddingLeft: 8 + Math.min(row.depth, 20) * 12 }}>
        <b>{row.service}</b> {row.name}
      </span>
      <SideCell side={row.a} trace={a} />
      <SideCell side={row.b} trace={b} />
      <span role="cell">{differs === "same" ? "" : <span className={differs === "faster" ? "tag" : "tag warn"}>{words(row)}</span>}</span>
    </div>
  );
}

function SideCell({ side, trace }: { side: Side | null; trace: Trace }): ReactNode {
  if (!side) return <span role="cell" className="quiet">–</span>;
  return (
    <span role="cell">
      <Link to="/traces/$trace" params={{ trace: trace.id }} search={{ span: side.span } as never}>
        {duration(side.duration)}
      </Link>
      {side.count > 1 && ` ×${amount(side.count)}`}
      {side.errors > 0 && <span className="bad"> {t("compare.errors", { count: side.errors })}</span>}
    </span>
  );
}

function words({ differs, a, b }: Compared): string {
  if (differs === "slower" || differs === "faster") {
    const time = duration(Math.abs((b?.duration ?? 0) - (a?.duration ?? 0)));
    return t(`compare.${differs}`, { time });
  }
  if (differs === "errors") return t("compare.errors.differ");
  return differs === "same" ? "" : t(`compare.${differs}`);
}
