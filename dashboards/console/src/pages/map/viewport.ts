import { useCallback, useEffect, useRef, useState, type PointerEvent, type RefObject } from "react";

import type { Layout } from "./graph/layout";

export interface View {
  x: number;
  y: number;
  scale: number;
}

const LEAST = 0.05;
const MOST = 3;
const MARGIN = 24;

/** The view that shows all of a layout; never larger than as drawn. */
export function fitted(width: number, height: number, layout: { width: number; height: number }): View {
  const scale = Math.max(
    LEAST,
    Math.min(1.1, (width - 2 * MARGIN) / Math.max(layout.width, 1), (height - 2 * MARGIN) / Math.max(layout.height, 1)),
  );
  return { scale, x: (width - layout.width * scale) / 2, y: (height - layout.height * scale) / 2 };
}

/** The view zoomed by a factor so that the point of the screen stays where it is. */
export function zoomed(view: View, factor: number, at: { x: number; y: number }): View {
  const scale = Math.min(MOST, Math.max(LEAST, view.scale * factor));
  const by = scale / view.scale;
  return { scale, x: at.x - (at.x - view.x) * by, y: at.y - (at.y - view.y) * by };
}

/** What of the layout is on the screen; it fits itself to each new layout until a person drags or zooms. */
export function useViewport(svg: RefObject<SVGSVGElement | null>, layout: Layout, marked: ReadonlySet<string>) {
  const [view, setView] = useState<View>({ x: 0, y: 0, scale: 0.5 });
  const dragged = useRef<{ x: number; y: number } | null>(null);

  const fit = useCallback(() => {
    const box = svg.current?.getBoundingClientRect();
    if (box !== undefined && box.width > 0) setView(fitted(box.width, box.height, layout));
  }, [svg, layout]);

  useEffect(() => {
    fit();
    const resized = new ResizeObserver(fit);
    if (svg.current !== null) resized.observe(svg.current);
    return () => resized.disconnect();
  }, [fit, svg]);

  // What a search found comes into the middle, large enough to be read.
  useEffect(() => {
    const [only] = marked;
    const box = svg.current?.getBoundingClientRect();
    const place = marked.size === 1 && only !== undefined ? layout.boxes.get(only) : undefined;
    if (place === undefined || box === undefined) return;
    setView(({ scale: before }) => {
      const scale = Math.max(before, 0.7);
      return { scale, x: box.width / 2 - (place.x + place.width / 2) * scale, y: box.height / 2 - (place.y + place.height / 2) * scale };
    });
  }, [marked, layout, svg]);

  // React's own wheel listener is passive: the page would scroll as well.
  useEffect(() => {
    const element = svg.current;
    const turn = (event: WheelEvent) => {
      event.preventDefault();
      const box = element?.getBoundingClientRect();
      const at = { x: event.clientX - (box?.left ?? 0), y: event.clientY - (box?.top ?? 0) };
      setView((before) => zoomed(before, Math.exp(-event.deltaY * 0.0015), at));
    };
    element?.addEventListener("wheel", turn, { passive: false });
    return () => element?.removeEventListener("wheel", turn);
  }, [svg]);

  const zoom = (factor: number) => {
    const box = svg.current?.getBoundingClientRect();
    setView((before) => zoomed(before, factor, { x: (box?.width ?? 0) / 2, y: (box?.height ?? 0) / 2 }));
  };

  const handlers = {
    onPointerDown: (event: PointerEvent<SVGSVGElement>) => {
      if (event.target === svg.current) dragged.current = { x: event.clientX, y: event.clientY };
    },
    onPointerMove: (event: PointerEvent<SVGSVGElement>) => {
      const from = dragged.current;
      if (from === null) return;
      dragged.current = { x: event.clientX, y: event.clientY };
      setView((before) => ({ ...before, x: before.x + event.clientX - from.x, y: before.y + event.clientY - from.y }));
    },
    onPointerUp: () => {
      dragged.current = null;
    },
    onPointerLeave: () => {
      dragged.current = null;
    },
  };
  return { ...view, fit, zoom, handlers };
}
