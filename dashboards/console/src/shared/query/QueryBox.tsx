import { useQuery } from "@tanstack/react-query";
import { useEffect, useId, useRef, useState } from "react";
import type { KeyboardEvent, ReactNode } from "react";
import { nanoseconds } from "../../api/client";
import { resolve } from "../../shell/range";
import { useShellState } from "../../shell/useRange";
import type { Language, Suggestion } from "./language";
import type { Place } from "./query";
import "./query.css";
import { t } from "./strings";

interface Props {
  label: string;
  placeholder: string;
  value: string;
  language: Language;
  onSearch: (query: string) => void;
}

/** Milliseconds after the last key before suggestions are asked for. */
const SETTLED = 150;

/** A line of a query language with completion. Enter searches; the arrow keys and Tab choose a suggestion. */
export function QueryBox({ label, placeholder, value, language, onSearch }: Props): ReactNode {
  const [text, setText] = useState(value);
  const [place, setPlace] = useState<Place | null>(null);
  const [chosen, setChosen] = useState(-1);
  const input = useRef<HTMLInputElement>(null);
  const id = useId();
  useEffect(() => setText(value), [value]);
  const found = useSuggestions(place, language);
  const open = place !== null && found.length > 0;

  const look = (): void => {
    const element = input.current;
    if (!element) return;
    setPlace(language.placeAt(element.value, element.selectionStart ?? element.value.length));
    setChosen(-1);
  };
  const take = (suggestion: Suggestion): void => {
    if (!place) return;
    const next = language.completed(text, place, suggestion.text);
    setText(next.text);
    requestAnimationFrame(() => {
      input.current?.focus();
      input.current?.setSelectionRange(next.cursor, next.cursor);
      look();
    });
  };
  const search = (query: string): void => {
    setPlace(null);
    onSearch(query.trim());
  };
  const onKey = (event: KeyboardEvent): void => {
    const suggestion = found[chosen] ?? (event.key === "Tab" && open && !event.shiftKey ? found[0] : undefined);
    if (open && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      setChosen((before) => Math.min(found.length - 1, Math.max(-1, before + step)));
    } else if (open && suggestion && (event.key === "Enter" || event.key === "Tab")) {
      event.preventDefault();
      take(suggestion);
    } else if (event.key === "Enter") {
      event.preventDefault();
      search(text);
    } else if (event.key === "Escape" && open) {
      event.preventDefault();
      setPlace(null);
    }
  };

  return (
    <form
      role="search"
      aria-label={label}
      className="query-box"
      onSubmit={(event) => {
        event.preventDefault();
        search(text);
      }}
    >
      <input
        ref={input}
        type="text"
        role="combobox"
        aria-label={label}
        aria-expanded={open}
        aria-controls={`${id}-list`}
        aria-autocomplete="list"
        {...(chosen >= 0 && open ? { "aria-activedescendant": `${id}-${chosen}` } : {})}
        autoComplete="off"
        autoCapitalize="off"
        spellCheck={false}
        placeholder={placeholder}
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          look();
        }}
        onClick={look}
        onFocus={look}
        onBlur={() => setPlace(null)}
        onKeyDown={onKey}
      />
      {text !== "" && (
        <button type="button" aria-label={t("clear")} onClick={() => search("")}>
          ×
        </button>
      )}
      <button type="submit">{t("run")}</button>
      <ul id={`${id}-list`} role="listbox" aria-label={t("suggestions")} hidden={!open}>
        {found.map((suggestion, at) => (
          <li
            key={suggestion.text}
            id={`${id}-${at}`}
            role="option"
            aria-selected={at === chosen}
            onPointerDown={(event) => {
              event.preventDefault(); // the field keeps the focus
              take(suggestion);
            }}
          >
            <span>{suggestion.text}</span> <span className="quiet">{suggestion.note}</span>
          </li>
        ))}
      </ul>
    </form>
  );
}

function useSuggestions(place: Place | null, language: Language): Suggestion[] {
  const { from, to, environment } = useShellState();
  const [settled, setSettled] = useState<Place | null>(null);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(place), place ? SETTLED : 0);
    return () => clearTimeout(timer);
  }, [place]);
  const { data } = useQuery({
    queryKey: ["suggest", language.name, settled?.expects, settled?.name, settled?.prefix, from, to, environment],
    queryFn: ({ signal: abort }) => {
      const { since, until } = resolve({ from, to }, Date.now());
      const shared = { since: nanoseconds(since), until: nanoseconds(until), environment };
      return language.suggest(settled as Place, shared, abort);
    },
    enabled: settled !== null,
    staleTime: 30_000,
    retry: false, // without suggestions a query can still be written
  });
  return place && settled && data ? data : [];
}
