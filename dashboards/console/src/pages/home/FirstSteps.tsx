import { Copy } from "../../shared/Copy";
import { EmptyState } from "../../shared/States";
import { t } from "./strings";

/** What to do where nothing was received. */
export function FirstSteps() {
  const snippet = [
    `export OTEL_EXPORTER_OTLP_ENDPOINT=http://${location.hostname}:4318`,
    "export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
    "export OTEL_SERVICE_NAME=my-service",
  ].join("\n");
  return (
    <div className="panel">
      <EmptyState title={t("empty")}>
        <p>{t("emptyText")}</p>
        <pre className="home-snippet">{snippet}</pre>
        <Copy text={snippet} label="OTEL_EXPORTER_OTLP_ENDPOINT" />
      </EmptyState>
    </div>
  );
}
