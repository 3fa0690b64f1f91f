import { useEffect, useRef, useState } from "react";
import type { KeyboardEvent, PointerEvent, ReactNode } from "react";

import { milliseconds } from "../api/client";
import { dateTime, duration } from "./format";
import { between, mostOf, pickedOf, strength } from "./heatmap";
import type { Cells, HeatmapData, Picked } from "./heatmap";
import { TimeAxis } from "./TimeAxis";
import "./heatmap.css";

interface Props {
  data: HeatmapData;
  label: string;
  /** What a cell counts: `12 spans`. */
  count: (count: number) => string;
  onPick: (picked: Picked) => void;
}

interface Cell {
  column: number;
  row: number;
}

/** Durations over time; dragging, or Enter on the cell that the arrow keys have reached, picks a time and durations. */
export function Heatmap({ data, label, count, onPick }: Props): ReactNode {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [from, setFrom] = useState<Cell | null>(null);
  const [at, setAt] = useState<Cell | null>(null);
  const columns = data.counts.length;
  const rows = Math.max(1, data.bounds.length - 1);

  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const paint = (): void => draw(element, data, rows);
    paint();
    const sizes = new ResizeObserver(paint);
    sizes.observe(element);
    const theme = new MutationObserver(paint);
    theme.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    return () => {
      sizes.disconnect();
      theme.disconnect();
    };
  }, [data, rows]);

  const cellOf = (event: PointerEvent<HTMLElement>): Cell => {
    const box = event.currentTarget.getBoundingClientRect();
    const column = Math.floor(((event.clientX - box.left) / Math.max(1, box.width)) * columns);
    const row = rows - 1 - Math.floor(((event.clientY - box.top) / Math.max(1, box.height)) * rows);
    return inside({ column, row }, columns, rows);
  };
  const onKey = (event: KeyboardEvent): void => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    const cell = at ?? { column: columns - 1, row: rows - 1 };
    if (step) {
      event.preventDefault();
      if (event.shiftKey) setFrom(from ?? cell);
      else setFrom(null);
      setAt(inside({ column: cell.column + (step[0] ?? 0), row: cell.row + (step[1] ?? 0) }, columns, rows));
    } else if (event.key === "Enter") {
      onPick(pickedOf(data, between(from ?? cell, cell)));
      setFrom(null);
    } else if (event.key === "Escape") {
      setFrom(null);
      setAt(null);
    }
  };
  const shown = at && between(from ?? at, at);

  return (
    <div className="heatmap">
      <div className="heatmap-durations" aria-hidden="true">
        <span>{duration(data.bounds.at(-1) ?? 0)}</span>
        <span>{duration(data.bounds[Math.floor(rows / 2)] ?? 0)}</span>
        <span>{duration(data.bounds[0] ?? 0)}</span>
      </div>
      <div
        className="heatmap-area"
        role="application"
        aria-label={label}
        tabIndex={0}
        onKeyDown={onKey}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          setFrom(cellOf(event));
          setAt(cellOf(event));
        }}
        onPointerMove={(event) => setAt(cellOf(event))}
        onPointerUp={(event) => {
          if (from) onPick(pickedOf(data, between(from, cellOf(event))));
          setFrom(null);
        }}
        onPointerCancel={() => setFrom(null)}
        onPointerLeave={() => !from && setAt(null)}
      >
        <canvas ref={canvas} aria-hidden="true" />
        {shown && <div className="heatmap-picked" style={boxOf(shown, columns, rows)} />}
      </div>
      <TimeAxis since={milliseconds(data.since)} until={milliseconds(data.since + columns * data.step)} />
      <p className="heatmap-said quiet" role="status">
        {shown ? words(data, shown, count) : "\u00a0"}
      </p>
    </div>
  );
}

function inside({ column, row }: Cell, columns: number, rows: number): Cell {
  return { column: Math.min(columns - 1, Math.max(0, column)), row: Math.min(rows - 1, Math.max(0, row)) };
}

function boxOf({ left, right, low, high }: Cells, columns: number, rows: number): Record<string, string> {
  return {
    left: `${(left / columns) * 100}%`,
    width: `${((right - left + 1) / columns) * 100}%`,
    bottom: `${(low / rows) * 100}%`,
    height: `${((high - low + 1) / rows) * 100}%`,
  };
}

function words(data: HeatmapData, cells: Cells, count: (count: number) => string): string {
  const { since, until, low, high } = pickedOf(data, cells);
  let sum = 0;
  for (let column = cells.left; column <= cells.right; column++) {
    for (let row = cells.low; row <= cells.high; row++) sum += data.counts[column]?.[row] ?? 0;
  }
  const durations = low === null ? (high === null ? "" : `< ${duration(high)}`) : high === null ? `≥ ${duration(low)}` : `${duration(low)} – ${duration(high)}`;
  return [`${dateTime(milliseconds(since), true)} – ${dateTime(milliseconds(until), true)}`, durations, count(sum)].filter(Boolean).join(" · ");
}

function draw(element: HTMLCanvasElement, data: HeatmapData, rows: number): void {
  const ratio = window.devicePixelRatio || 1;
  element.width = Math.round(element.clientWidth * ratio);
  element.height = Math.round(element.clientHeight * ratio);
  const context = element.getContext("2d");
  if (!context) return;
  const width = element.width / Math.max(1, data.counts.length);
  const height = element.height / rows;
  const most = mostOf(data);
  context.fillStyle = getComputedStyle(element).getPropertyValue("--accent") || "blue";
  data.counts.forEach((column, x) => {
    column.forEach((count, y) => {
      if (count <= 0) return;
      context.globalAlpha = strength(count, most);
      context.fillRect(x * width, element.height - (y + 1) * height, Math.max(1, width - ratio), Math.max(1, height - ratio));
    });
  });
}
