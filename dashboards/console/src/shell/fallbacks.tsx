import { Link, type ErrorComponentProps } from "@tanstack/react-router";

import { Page } from "./Page";
import { t } from "./strings";

export function NotFound() {
  return (
    <Page title={t("notFound")}>
      <p>{t("notFoundText")}</p>
      <p>
        <Link to="/">{t("toHome")}</Link>
      </p>
    </Page>
  );
}

export function PageError({ error }: ErrorComponentProps) {
  return (
    <Page title={t("broken")}>
      <p role="alert" className="trouble">
        {error instanceof Error ? error.message : String(error)}
      </p>
    </Page>
  );
}

export function PagePending() {
  return (
    <p className="quiet" role="status">
      {t("loading")}…
    </p>
  );
}
