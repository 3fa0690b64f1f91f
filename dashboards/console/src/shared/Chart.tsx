import { useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

import { absolute, type Between } from "../shell/range";
import { useSetRange } from "../shell/useRange";
import { dragged, summary, withGaps, type Values } from "./chartData";
import type { Dot } from "./chartDots";
import { chartOptions, type Band, type Marker } from "./chartOptions";
import { clock, dateTime, UNKNOWN } from "./format";
import { t } from "./strings";

export interface Series {
  label: string;
  /** A custom property of the theme, such as `--c1`. */
  color: string;
  values: Values;
  dashed?: boolean;
  filled?: boolean;
}

interface Props {
  title: string;
  /** Milliseconds since the epoch, ascending. */
  times: readonly number[];
  series: readonly Series[];
  /** The axis: the range that was asked, whatever was found. */
  axis: Between;
  /** Milliseconds between two times; where more lies between, nothing is known of it. */
  step?: number;
  /** A value in words. */
  format: (value: number) => string;
  /** Stretches of time behind the lines, such as anomalies. */
  bands?: readonly Band[];
  /** Moments, such as deploys and repairs. */
  markers?: readonly Marker[];
  /** A horizontal line, such as the threshold of a rule. */
  threshold?: number;
  /** Measurements that lead somewhere; what is beside the chart must lead there too, for those who use no pointer. */
  dots?: readonly Dot[];
  height?: number;
  /** Charts of one name show the same moment under the pointer. */
  sync?: string;
  /** What dragging does; without it: sets the range of the address. */
  onSelect?: (selected: Between) => void;
  aside?: ReactNode;
}

/** Lines over time. The axis is the asked range, gaps stay gaps, dragging zooms, and the legend reads out what is under the pointer. */
export function Chart({ title, times, series, axis, step, format, bands, markers, threshold, dots, height = 150, sync, onSelect, aside }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const setRange = useSetRange();
  const [at, setAt] = useState<number | null>(null);
  const [near, setNear] = useState<Dot | null>(null);
  const [theme, setTheme] = useState(0);
  const data = useMemo(() => withGaps(times, series.map((each) => each.values), step), [times, series, step]);
  // What the drawing reads when it draws; it is made again only when its form changes.
  const latest = useRef({ axis, format, bands, markers, threshold, dots, select: onSelect });
  latest.current = { axis, format, bands, markers, threshold, dots, select: onSelect ?? ((chosen) => setRange(absolute(chosen.since, chosen.until))) };
  const form = series.map((each) => `${each.label}|${each.color}|${each.dashed ?? ""}|${each.filled ?? ""}`).join("\n");

  useEffect(() => {
    const changed = () => setTheme((before) => before + 1);
    addEventListener("spanloom-theme", changed);
    return () => removeEventListener("spanloom-theme", changed);
  }, []);

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const options = chartOptions({
      series,
      width: element.clientWidth,
      height,
      ...(sync === undefined ? {} : { sync }),
      latest: () => latest.current,
      onCursor: setAt,
      onDot: setNear,
      onSelect: (a, b) => {
        const chosen = dragged(a, b, latest.current.axis);
        if (chosen) latest.current.select?.(chosen);
      },
    });
    const drawn = new uPlot(options, data as uPlot.AlignedData, element);
    plot.current = drawn;
    const resized = new ResizeObserver(() => {
      if (element.clientWidth > 0 && element.clientWidth !== drawn.width) drawn.setSize({ width: element.clientWidth, height });
    });
    resized.observe(element);
    return () => {
      resized.disconnect();
      drawn.destroy();
      plot.current = null;
    };
    // `data` and what `latest` holds are set below: they change with every answer.
  }, [form, height, sync, theme]);

  useEffect(() => {
    plot.current?.setData(data as uPlot.AlignedData);
  }, [data, axis.since, axis.until, bands, markers, threshold, dots]);

  const time = at === null ? undefined : data[0][at];
  const noted = near ? [near.text] : time === undefined ? [] : notes(time, bands, markers, step ?? (axis.until - axis.since) / 60);
  return (
    <figure className="chart">
      <figcaption>
        <span className="chart-title">{title}</span>
        <span className="chart-legend">
          {series.map((each, index) => {
            const value = at === null ? summary(each.values)?.last : data[index + 1]?.[at];
            return (
              <span key={each.label} className="chart-key">
                <span className="chart-swatch" style={{ background: `var(${each.color})` }} aria-hidden="true" />
                {each.label} <b>{value == null ? UNKNOWN : format(value as number)}</b>
              </span>
            );
          })}
          {time !== undefined && <span className="quiet">{clock(time)}</span>}
        </span>
        {aside}
      </figcaption>
      <div ref={box} className="chart-box" role="img" aria-label={described(title, series, format, axis)} title={t("dragToZoom")} style={{ height }} />
      {noted.length > 0 && <div className="chart-notes">{noted.join(" · ")}</div>}
    </figure>
  );
}

/** What stands at a moment: a deploy or a repair before the anomalies, which are often many, but never in place of them all. */
function notes(time: number, bands: readonly Band[] = [], markers: readonly Marker[] = [], near: number): string[] {
  const within = bands.filter((band) => time >= band.since && time <= band.until).map((band) => band.text);
  const beside = markers.filter((marker) => Math.abs(marker.time - time) <= near).map((marker) => marker.text);
  return [...beside.slice(0, 3), ...within].slice(0, 4);
}

/** A chart for those who hear it: its range, and of each line the smallest, largest and newest value. */
function described(title: string, series: readonly Series[], format: (value: number) => string, axis: Between): string {
  const lines = series.map((each) => {
    const found = summary(each.values);
    return `${each.label}: ${found ? `${format(found.min)} – ${format(found.max)}, ${format(found.last)}` : t("noData")}`;
  });
  return `${title}, ${dateTime(axis.since)} ${t("until")} ${dateTime(axis.until)}. ${lines.join("; ")}`;
}
