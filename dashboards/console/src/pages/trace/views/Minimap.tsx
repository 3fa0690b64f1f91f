import { useEffect, useRef, useState } from "react";
import type { KeyboardEvent, PointerEvent, ReactNode } from "react";
import { duration } from "../../../shared/format";
import type { Stretch, Trace } from "../model/trace";
import { t } from "../strings";

interface Props {
  trace: Trace;
  view: Stretch;
  colors: ReadonlyMap<string, string>;
  onView: (view: Stretch) => void;
}

const HEIGHT = 56;
/** Of the trace's duration: less than this is a click and no brush. */
const LEAST = 0.002;

/** The whole trace in small; dragging over it zooms the waterfall, a double click shows the whole again. */
export function Minimap({ trace, view, colors, onView }: Props): ReactNode {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [brush, setBrush] = useState<{ from: number; to: number } | null>(null);

  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const paint = (): void => draw(element, trace, colors);
    paint();
    const observer = new ResizeObserver(paint);
    observer.observe(element);
    return () => observer.disconnect();
  }, [trace, colors]);

  const at = (event: PointerEvent<HTMLElement>): number => {
    const box = event.currentTarget.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / Math.max(1, box.width)));
  };
  const end = (event: PointerEvent<HTMLElement>): void => {
    if (!brush) return;
    const [low, high] = [Math.min(brush.from, at(event)), Math.max(brush.from, at(event))];
    setBrush(null);
    if (high - low > LEAST) onView({ start: low * trace.duration, end: high * trace.duration });
  };
  const whole = Math.max(1, trace.duration);
  const shown = brush
    ? { left: Math.min(brush.from, brush.to), right: Math.max(brush.from, brush.to) }
    : { left: view.start / whole, right: view.end / whole };

  return (
    <div className="minimap">
      <div
        className="minimap-area"
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          setBrush({ from: at(event), to: at(event) });
        }}
        onPointerMove={(event) => brush && setBrush({ ...brush, to: at(event) })}
        onPointerUp={end}
        onPointerCancel={() => setBrush(null)}
        onDoubleClick={() => onView({ start: 0, end: trace.duration })}
      >
        <canvas ref={canvas} height={HEIGHT} role="img" aria-label={t("trace.minimap")} />
        <div className="minimap-outside" style={{ left: 0, width: `${shown.left * 100}%` }} />
        <div className="minimap-outside" style={{ left: `${shown.right * 100}%`, right: 0 }} />
        <Handle side="start" view={view} duration={trace.duration} onView={onView} />
        <Handle side="end" view={view} duration={trace.duration} onView={onView} />
      </div>
    </div>
  );
}

interface HandleProps {
  side: "start" | "end";
  view: Stretch;
  duration: number;
  onView: (view: Stretch) => void;
}

/** One end of what is in sight; the arrow keys move it by a fiftieth of the trace. */
function Handle({ side, view, duration: whole, onView }: HandleProps): ReactNode {
  const move = (event: KeyboardEvent): void => {
    const step = whole / 50;
    const by = { ArrowLeft: -step, ArrowRight: step, PageDown: -5 * step, PageUp: 5 * step, Home: -whole, End: whole }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    const time = view[side] + by;
    const least = whole * LEAST;
    if (side === "start") onView({ ...view, start: Math.min(Math.max(0, time), view.end - least) });
    else onView({ ...view, end: Math.max(Math.min(whole, time), view.start + least) });
  };
  return (
    <div
      className={`minimap-handle ${side}`}
      role="slider"
      tabIndex={0}
      aria-label={t(side === "start" ? "trace.zoom.start" : "trace.zoom.end")}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round((view[side] / Math.max(1, whole)) * 100)}
      aria-valuetext={duration(view[side])}
      style={{ left: `${(view[side] / Math.max(1, whole)) * 100}%` }}
      onKeyDown={move}
    />
  );
}

function draw(element: HTMLCanvasElement, trace: Trace, colors: ReadonlyMap<string, string>): void {
  const ratio = window.devicePixelRatio || 1;
  const width = Math.round(element.clientWidth * ratio);
  const height = HEIGHT * ratio;
  if (element.width !== width || element.height !== height) {
    element.width = width;
    element.height = height;
  }
  const context = element.getContext("2d");
  if (!context || width === 0) return;
  context.clearRect(0, 0, width, height);
  const scale = width / Math.max(1, trace.duration);
  const row = height / Math.max(1, trace.spans.length);
  const thick = Math.max(ratio, Math.min(row, 6 * ratio));
  for (const span of trace.spans) {
    context.fillStyle = colors.get(span.service) ?? "gray";
    context.fillRect(span.start * scale, span.index * row, Math.max(ratio, span.duration * scale), thick);
  }
  context.fillStyle = getComputedStyle(element).getPropertyValue("--bad") || "red";
  for (const span of trace.spans) {
    if (span.failed) context.fillRect(span.start * scale, span.index * row, Math.max(2 * ratio, span.duration * scale), Math.max(2 * ratio, thick));
  }
}
