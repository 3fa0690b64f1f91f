import { Link } from "@tanstack/react-router";
import { useState } from "react";

import { Icon } from "./Icon";
import { PAGES } from "./pages";
import { t } from "./strings";

/** The pages; the one that is open, and the one that an open detail belongs to, is marked. On phones it is a bar below. */
export function Rail() {
  const [more, setMore] = useState(false);
  return (
    <nav className={`rail ${more ? "open" : ""}`} aria-label={t("navigation")}>
      <span className="brand" aria-hidden="true">
        <span className="brand-mark" />
        <span className="brand-name">Spanloom</span>
      </span>
      {PAGES.map(({ path, name, inBar }) => (
        <Link
          key={path}
          to={path}
          activeOptions={{ exact: path === "/", includeSearch: false }}
          className={inBar ? "in-bar" : "behind-more"}
          onClick={() => setMore(false)}
        >
          <Icon name={name} />
          <span>{t(name)}</span>
        </Link>
      ))}
      <button type="button" className="more" aria-expanded={more} onClick={() => setMore(!more)}>
        <Icon name="more" />
        <span>{t("more")}</span>
      </button>
    </nav>
  );
}
