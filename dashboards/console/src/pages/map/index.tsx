import { Page } from "../../shell/Page";
import { t } from "../../shell/strings";

export default function MapPage() {
  return (
    <Page title={t("map")}>
      <p className="quiet">{t("soon")}</p>
    </Page>
  );
}
