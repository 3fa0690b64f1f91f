import type uPlot from "uplot";

import { themed } from "./chartOptions";

/** A measurement on a chart that leads somewhere. */
export interface Dot {
  time: number;
  /** Null: in another unit than the axis; it stands at the foot of the chart. */
  value: number | null;
  /** What it is, in words. */
  text: string;
  open: () => void;
}

export interface Place {
  x: number;
  y: number;
}

/** Pixels around a dot in which the pointer means it. */
const REACH = 10;
const SIZE = 4.5;

/** How high the axis must reach for dots: lines stay readable, so what is above twice their highest stands at the upper edge. */
export function topOfDots(dots: readonly Dot[], highest: number): number {
  const values = dots.flatMap(({ value }) => (value === null ? [] : [value]));
  const most = Math.max(0, ...values);
  return highest > 0 ? Math.min(most, highest * 2) : most;
}

/** The place nearest to the pointer, if it is within reach. */
export function nearest(places: readonly Place[], at: Place, reach = REACH): number | null {
  let found: number | null = null;
  let least = reach;
  places.forEach(({ x, y }, index) => {
    const distance = Math.hypot(x - at.x, y - at.y);
    if (distance <= least) [found, least] = [index, distance];
  });
  return found;
}

/** Draws dots above the lines; the one under the pointer is shown, and a click opens it. */
export function dotsPlugin(latest: () => readonly Dot[], onNear: (dot: Dot | null) => void): uPlot.Plugin {
  let near: number | null = null;
  const places = (plot: uPlot): Place[] => {
    const { width, height } = plot.over.getBoundingClientRect();
    return latest().map(({ time, value }) => {
      const y = value === null ? height - SIZE : plot.valToPos(value, "y");
      return { x: Math.min(Math.max(plot.valToPos(time, "x"), 0), width), y: Math.min(Math.max(y, SIZE), height - SIZE) };
    });
  };
  const changed = (plot: uPlot, found: number | null): void => {
    if (found === near) return;
    near = found;
    plot.over.style.cursor = found === null ? "" : "pointer";
    onNear(found === null ? null : (latest()[found] ?? null));
    plot.redraw(false);
  };
  return {
    hooks: {
      init: (plot) =>
        plot.over.addEventListener("click", () => {
          if (near !== null) latest()[near]?.open();
        }),
      setCursor: (plot) => {
        const { left = -1, top = -1 } = plot.cursor;
        changed(plot, left < 0 ? null : nearest(places(plot), { x: left, y: top }));
      },
      draw: (plot) => {
        const { ctx, bbox } = plot;
        ctx.save();
        ctx.lineWidth = 1.5 * devicePixelRatio;
        ctx.strokeStyle = themed("--panel");
        places(plot).forEach(({ x, y }, index) => {
          const size = (index === near ? SIZE * 1.6 : SIZE) * devicePixelRatio;
          const [left, top] = [bbox.left + x * devicePixelRatio, bbox.top + y * devicePixelRatio];
          ctx.fillStyle = themed("--accent");
          ctx.beginPath();
          ctx.moveTo(left, top - size);
          ctx.lineTo(left + size, top);
          ctx.lineTo(left, top + size);
          ctx.lineTo(left - size, top);
          ctx.closePath();
          ctx.fill();
          ctx.stroke();
        });
        ctx.restore();
      },
    },
  };
}
