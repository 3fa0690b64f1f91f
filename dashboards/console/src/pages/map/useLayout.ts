import type { ELK as Elk } from "elkjs/lib/elk-api.js";
import { useEffect, useMemo, useRef, useState } from "react";

import { elkInWorker } from "../../shared/elk";
import { shapeOf, type Graph } from "./graph/graph";
import { fromElk, toElk, type Layout } from "./graph/layout";

interface State {
  shape: string;
  layout: Layout | null;
  error: string;
}

/**
 * The layout of a graph, made in a worker: the page stays quick, and a graph of the same vertices and links keeps its places
 * while its numbers change. `layout` is that of the graph before while a new one is made.
 */
export function useLayout(graph: Graph): { layout: Layout | null; fresh: boolean; error: string } {
  const elk = useRef<Elk | null>(null);
  const [state, setState] = useState<State>({ shape: "", layout: null, error: "" });
  const shape = useMemo(() => shapeOf(graph), [graph]);
  const latest = useRef(graph);
  latest.current = graph;

  useEffect(() => {
    const made = elkInWorker();
    elk.current = made;
    return () => {
      made.terminateWorker();
      elk.current = null;
    };
  }, []);

  useEffect(() => {
    let wanted = true;
    const found = (next: Omit<State, "shape">) => {
      if (wanted) setState((before) => ({ shape, layout: next.layout ?? before.layout, error: next.error }));
    };
    elk.current
      ?.layout(toElk(latest.current))
      .then((root) => found({ layout: fromElk(root), error: "" }))
      .catch((error: unknown) => found({ layout: null, error: error instanceof Error ? error.message : String(error) }));
    return () => {
      wanted = false;
    };
  }, [shape]);

  return { layout: state.layout, fresh: state.shape === shape, error: state.error };
}
