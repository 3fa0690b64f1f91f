import uPlot from "uplot";

import type { Between } from "../shell/range";
import { dotsPlugin, topOfDots, type Dot } from "./chartDots";
import { lonely, timeLabel, type Values } from "./chartData";

/** A stretch of time behind the lines. */
export interface Band extends Between {
  text: string;
  tone: "bad" | "warn" | "good" | "accent";
}

/** A moment. */
export interface Marker {
  time: number;
  text: string;
  tone: "bad" | "warn" | "good" | "accent";
}

interface Latest {
  axis: Between;
  format: (value: number) => string;
  bands: readonly Band[] | undefined;
  markers: readonly Marker[] | undefined;
  threshold: number | undefined;
  dots: readonly Dot[] | undefined;
}

interface Asked {
  series: readonly { label: string; color: string; dashed?: boolean; filled?: boolean }[];
  width: number;
  height: number;
  sync?: string;
  latest: () => Latest;
  onCursor: (index: number | null) => void;
  onSelect: (from: number, to: number) => void;
  onDot: (dot: Dot | null) => void;
}

/** The colour of a custom property, as a canvas needs it. */
export function themed(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim() || "#888";
}

/** How uPlot is to draw a chart. Colours are those of the theme at this moment. */
export function chartOptions(asked: Asked): uPlot.Options {
  const line = themed("--line");
  const text = themed("--muted");
  const font = `11px ${themed("--font")}`;
  const axis = { stroke: text, font, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1, size: 4 } };
  return {
    width: asked.width,
    height: asked.height,
    ms: 1,
    legend: { show: false },
    scales: {
      x: { time: false, range: () => [asked.latest().axis.since, asked.latest().axis.until] },
      y: { range: (_, __, max) => [0, topOf(max, asked.latest())] },
    },
    axes: [
      { ...axis, values: (_, splits) => splits.map((at) => timeLabel(at, asked.latest().axis)), space: 80, size: 28, incrs: TIME_STEPS },
      { ...axis, values: (_, splits) => splits.map((value) => asked.latest().format(value)), size: 62, space: (_, __, ___, ____, length) => Math.min(30, length / 2.5) },
    ],
    series: [{}, ...asked.series.map(lineOf)],
    cursor: {
      drag: { x: true, y: false, setScale: false },
      points: { size: 6 },
      ...(asked.sync === undefined ? {} : { sync: { key: asked.sync } }),
    },
    plugins: [dotsPlugin(() => asked.latest().dots ?? [], asked.onDot)],
    hooks: {
      drawClear: [(plot) => behind(plot, asked.latest())],
      draw: [(plot) => before(plot, asked.latest())],
      setCursor: [(plot) => asked.onCursor(plot.cursor.idx ?? null)],
      setSelect: [
        (plot) => {
          const { left, width } = plot.select;
          if (width < 4) return;
          asked.onSelect(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        },
      ],
    },
  };
}

const SECOND = 1_000;
/** Distances of labels that people count in. */
const TIME_STEPS = [1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800].map(
  (seconds) => seconds * SECOND,
);

/** The upper end of the scale: a little room above the highest, and never none at all. */
function topOf(max: number | null, { threshold, dots = [] }: Latest): number {
  const lines = Math.max(max ?? 0, threshold ?? 0);
  const highest = Math.max(lines, topOfDots(dots, lines));
  return highest > 0 ? highest * 1.08 : 1;
}

function lineOf(series: Asked["series"][number]): uPlot.Series {
  const color = themed(series.color);
  return {
    label: series.label,
    stroke: color,
    width: 1.6,
    spanGaps: false,
    points: { show: true, size: 5, fill: color, filter: (plot, index) => lonely(plot.data[index] as Values) },
    ...(series.dashed ? { dash: [5, 4] } : {}),
    ...(series.filled ? { fill: `${color}24` } : {}),
  };
}

function behind(plot: uPlot, { bands = [] }: Latest): void {
  const { ctx, bbox } = plot;
  ctx.save();
  for (const band of bands) {
    const left = Math.max(plot.valToPos(band.since, "x", true), bbox.left);
    const right = Math.min(plot.valToPos(band.until, "x", true), bbox.left + bbox.width);
    if (right <= left) continue;
    ctx.fillStyle = themed(`--${band.tone}-soft`);
    ctx.fillRect(left, bbox.top, Math.max(right - left, 2), bbox.height);
  }
  ctx.restore();
}

function before(plot: uPlot, { markers = [], threshold }: Latest): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
  for (const marker of markers) {
    const x = plot.valToPos(marker.time, "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    stroke(ctx, themed(`--${marker.tone}`), x, bbox.top, x, bbox.top + bbox.height);
    ctx.fillStyle = themed(`--${marker.tone}`);
    const size = 5 * devicePixelRatio;
    ctx.beginPath();
    ctx.moveTo(x - size, bbox.top);
    ctx.lineTo(x + size, bbox.top);
    ctx.lineTo(x, bbox.top + size * 1.4);
    ctx.fill();
  }
  if (threshold !== undefined) {
    const y = plot.valToPos(threshold, "y", true);
    stroke(ctx, themed("--bad"), bbox.left, y, bbox.left + bbox.width, y);
  }
  ctx.restore();
}

function stroke(ctx: CanvasRenderingContext2D, color: string, x1: number, y1: number, x2: number, y2: number): void {
  ctx.strokeStyle = color;
  ctx.beginPath();
  ctx.moveTo(x1, y1);
  ctx.lineTo(x2, y2);
  ctx.stroke();
}
