import { useEffect, useState } from "react";
import type { ReactNode } from "react";
import { count as amount } from "../../../shared/format";
import { isFiltering } from "../model/rows";
import { parseDuration } from "../state";
import type { TraceState } from "../state";
import { t } from "../strings";

interface Props {
  state: TraceState;
  change: (change: Record<string, string | undefined>) => void;
  /** Spans that match; null without a filter. */
  found: number | null;
  all: number;
  children: ReactNode;
}

/** Milliseconds after the last key before the filter goes into the address. */
const SETTLED = 200;

export function FilterBar({ state, change, found, all, children }: Props): ReactNode {
  const { filter } = state;
  return (
    <div role="search" aria-label={t("filter.label")} className="filter-bar">
      <Settling label={t("filter.label")} placeholder={t("filter.placeholder")} value={filter.text} onValue={(find) => change({ find })} />
      <Settling
        label={t("filter.min")}
        placeholder="5ms"
        narrow
        value={filter.atLeast ? `${filter.atLeast / 1e6}ms` : ""}
        onValue={(min) => (min === "" || parseDuration(min) !== null) && change({ min })}
      />
      <label>
        <input type="checkbox" checked={filter.errors} onChange={(event) => change({ errors: event.target.checked ? "yes" : undefined })} /> {t("filter.errors")}
      </label>
      <label>
        <input type="checkbox" checked={filter.critical} onChange={(event) => change({ path: event.target.checked ? "yes" : undefined })} /> {t("filter.critical")}
      </label>
      {children}
      {isFiltering(filter) && (
        <button type="button" onClick={() => change({ find: undefined, min: undefined, errors: undefined, path: undefined })}>
          {t("filter.clear")}
        </button>
      )}
      <span role="status" className="quiet">
        {found !== null && t("filter.found", { count: amount(found), all: amount(all) })}
      </span>
    </div>
  );
}

interface SettlingProps {
  label: string;
  placeholder: string;
  value: string;
  narrow?: boolean;
  onValue: (value: string) => void;
}

/** A text field that says its value when no key was pressed for a moment. */
function Settling({ label, placeholder, value, narrow = false, onValue }: SettlingProps): ReactNode {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  useEffect(() => {
    if (text === value) return;
    const timer = setTimeout(() => onValue(text), SETTLED);
    return () => clearTimeout(timer);
    // What is said depends on the text alone; `onValue` is new with every rendering.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [text]);
  return <input type="search" aria-label={label} placeholder={placeholder} size={narrow ? 6 : 24} value={text} onChange={(event) => setText(event.target.value)} />;
}
