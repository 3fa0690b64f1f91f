const PATHS = {
  home: "M3 11 12 4l9 7M6 9.5V20h12V9.5",
  services: "M4 5h7v6H4zM13 5h7v6h-7zM4 13h7v6H4zM13 13h7v6h-7z",
  map: "M6 6m-2.5 0a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0-5 0M18 8m-2.5 0a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0-5 0M10 18m-2.5 0a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0-5 0M8.5 6.5l7 1M7 8.3l2.3 7.3M11.8 16.2l4.8-6",
  traces: "M3 6h11M7 11h10M11 16h9",
  logs: "M5 5h14M5 10h14M5 15h9M5 20h6",
  metrics: "M4 20V4M4 20h16M7 15l4-5 3 3 5-7",
  incidents: "M12 4 21 20H3zM12 10v5M12 17.5v.5",
  alerts: "M6 16V11a6 6 0 0 1 12 0v5l2 2H4zM10 20.5h4",
  rules: "M4 7h9M17 7h3M15 5v4M4 17h3M11 17h9M9 15v4",
  fleet: "M4 5h16v5H4zM4 14h16v5H4zM7 7.5h.5M7 16.5h.5",
  system: "M12 12m-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0M12 3v3M12 18v3M3 12h3M18 12h3M5.6 5.6l2.2 2.2M16.2 16.2l2.2 2.2M18.4 5.6l-2.2 2.2M7.8 16.2l-2.2 2.2",
  more: "M5 12h.5M12 12h.5M19 12h.5",
  search: "M11 11m-6 0a6 6 0 1 0 12 0a6 6 0 1 0-12 0M15.5 15.5 20 20",
  clock: "M12 12m-8.5 0a8.5 8.5 0 1 0 17 0a8.5 8.5 0 1 0-17 0M12 7v5l3.5 2",
  refresh: "M19 12a7 7 0 1 1-2-5l2 2M19 4v5h-5",
  left: "M15 5l-7 7 7 7",
  right: "M9 5l7 7-7 7",
  zoomOut: "M11 11m-6 0a6 6 0 1 0 12 0a6 6 0 1 0-12 0M15.5 15.5 20 20M8.5 11h5",
  settings: "M12 8m-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0M5 20c.5-4 3.5-6 7-6s6.5 2 7 6",
} as const;

export type IconName = keyof typeof PATHS;

/** A drawing beside a word, or in a button that has a name. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
