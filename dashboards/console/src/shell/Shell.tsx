import { Outlet } from "@tanstack/react-router";

import { Rail } from "./Rail";
import { t } from "./strings";
import "./shell.css";

/** What every page stands in. */
export function Shell() {
  return (
    <div className="shell">
      <a className="skip" href="#content">
        {t("skip")}
      </a>
      <Rail />
      <main id="content" tabIndex={-1}>
        <Outlet />
      </main>
    </div>
  );
}
