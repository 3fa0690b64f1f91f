import { Page } from "../../shell/Page";
import { t } from "../../shell/strings";

export default function TracesPage() {
  return (
    <Page title={t("traces")}>
      <p className="quiet">{t("soon")}</p>
    </Page>
  );
}
