import { useApi } from "../../api/queries";
import type { components } from "../../api/schema";
import { Copy } from "../../shared/Copy";
import { EmptyState } from "../../shared/States";
import { snippetOf } from "./receivers";
import { t } from "./strings";

/** What to do where nothing was received, with the ports that receivers have. */
export function FirstSteps() {
  const { data, error } = useApi<components["schemas"]["System"]>("/api/v1/system", {}, { ranged: false, every: false });
  const snippet = snippetOf(data?.body.receivers ?? [], location.hostname);
  return (
    <div className="panel">
      <EmptyState title={t("empty")}>
        <p>{t("emptyText")}</p>
        {snippet !== null ? (
          <>
            <pre className="home-snippet">{snippet}</pre>
            <Copy text={snippet} label="OTEL_EXPORTER_OTLP_ENDPOINT" />
          </>
        ) : (
          (data !== undefined || error !== null) && <p className="quiet">{t("noReceiver")}</p>
        )}
      </EmptyState>
    </div>
  );
}
