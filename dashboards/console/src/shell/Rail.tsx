import { Link } from "@tanstack/react-router";

import { t } from "./strings";

export const PAGES = [
  ["/", "home"],
  ["/services", "services"],
  ["/map", "map"],
  ["/traces", "traces"],
  ["/logs", "logs"],
  ["/metrics", "metrics"],
  ["/incidents", "incidents"],
  ["/alerts", "alerts"],
  ["/rules", "rules"],
  ["/fleet", "fleet"],
  ["/system", "system"],
] as const;

/** The pages; the one that is open, and the one that an open detail belongs to, is marked. */
export function Rail() {
  return (
    <nav className="rail" aria-label={t("navigation")}>
      {PAGES.map(([path, name]) => (
        <Link key={path} to={path} activeOptions={{ exact: path === "/", includeSearch: false }}>
          {t(name)}
        </Link>
      ))}
    </nav>
  );
}
