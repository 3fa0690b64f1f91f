import type { AnomaliesAnswer } from "../../api/numbers";
import { useApi } from "../../api/queries";
import { AnomalyList } from "../../shared/red/AnomalyList";
import { Answered, EmptyState } from "../../shared/States";
import { t } from "./strings";

export function Anomalies({ name }: { name: string }) {
  const query = useApi<AnomaliesAnswer>("/api/v1/anomalies", { service: name, limit: 200 });
  return (
    <Answered query={query} lines={5}>
      {({ anomalies, total }) => (total === 0 ? <EmptyState title={t("noAnomalies")} /> : <AnomalyList anomalies={anomalies} total={total} />)}
    </Answered>
  );
}
