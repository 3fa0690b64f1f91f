import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { address } from "../../../api/client";
import { Copy } from "../../../shared/Copy";
import { t } from "../strings";

/** The trace's id and what may be done with it. */
export function Actions({ id }: { id: string }): ReactNode {
  return (
    <div className="trace-actions">
      <code>{id}</code>
      <Copy text={id} label={t("trace.id")} />
      <a className="button small" href={address(`/api/v1/traces/${id}`, { format: "otlp" })} download={`${id}.json`}>
        {t("trace.download")}
      </a>
      <Link className="button small" to="/traces" search={{ compare: id } as never}>
        {t("trace.compare")}
      </Link>
    </div>
  );
}
