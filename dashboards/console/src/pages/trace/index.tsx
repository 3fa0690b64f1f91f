import { Page } from "../../shell/Page";
import { t } from "../../shell/strings";

export default function TracePage() {
  return (
    <Page title={t("trace")}>
      <p className="quiet">{t("soon")}</p>
    </Page>
  );
}
