import { Page } from "../../shell/Page";
import { t } from "../../shell/strings";

export default function AlertPage() {
  return (
    <Page title={t("alert")}>
      <p className="quiet">{t("soon")}</p>
    </Page>
  );
}
