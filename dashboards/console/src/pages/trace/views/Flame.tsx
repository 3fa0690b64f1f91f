import type { ReactNode } from "react";
import { useMemo } from "react";
import { duration, percent } from "../../../shared/format";
import { flame } from "../model/operations";
import type { FlameBox } from "../model/operations";
import type { Trace } from "../model/trace";
import { t } from "../strings";

interface Props {
  trace: Trace;
  colors: ReadonlyMap<string, string>;
  picked: string;
  onPick: (id: string) => void;
}

/** Shares of the width: what is narrower is not drawn, and what is narrower than the second has no words. */
const LEAST = 0.0008;
const WORDS = 0.04;
const LEVEL = 24;

/** Spans of one call path merged; wide is what has the most self time in and below it. */
export function Flame({ trace, colors, picked, onPick }: Props): ReactNode {
  const boxes = useMemo(() => flame(trace), [trace]);
  const drawn = boxes.filter((box) => box.width >= LEAST);
  const levels = drawn.reduce((most, box) => Math.max(most, box.depth + 1), 1);
  return (
    <section className="flame" aria-label={t("trace.flame")}>
      <p className="quiet">
        {t("trace.flame.meaning")}
        {drawn.length < boxes.length && ` ${t("trace.flame.narrow", { count: boxes.length - drawn.length })}`}
      </p>
      <div className="flame-boxes" style={{ height: levels * LEVEL }}>
        {drawn.map((box) => (
          <button
            key={box.path}
            type="button"
            className={box.longest.id === picked ? "flame-box picked" : "flame-box"}
            title={words(box)}
            {...(box.width > WORDS ? {} : { "aria-label": words(box) })}
            style={{
              left: `${box.left * 100}%`,
              width: `${box.width * 100}%`,
              top: box.depth * LEVEL,
              background: `color-mix(in srgb, ${colors.get(box.service) ?? "gray"} 34%, var(--panel))`,
            }}
            onClick={() => onPick(box.longest.id)}
          >
            {box.width > WORDS && `${box.name} ${duration(box.weight)}`}
          </button>
        ))}
      </div>
    </section>
  );
}

function words(box: FlameBox): string {
  const facts = { service: box.service, name: box.name, count: box.count, time: duration(box.weight), self: duration(box.self), share: percent(box.width) };
  return t("trace.flame.box", facts);
}
