import { useDeferredValue } from "react";

import { useApi } from "../../api/queries";
import type { Service, ServicesAnswer } from "../../api/numbers";
import { count } from "../../shared/format";
import { ServiceTable } from "../../shared/red/ServiceTable";
import { Answered, EmptyState } from "../../shared/States";
import { Page } from "../../shell/Page";
import { usePageSearch, type Search } from "../../shell/search";
import { t } from "./strings";

const parse = (search: Search) => search.name ?? "";

/** Every service that sent or received something, with rate, errors and durations. */
export default function ServicesPage() {
  const [name, change] = usePageSearch(parse);
  const query = useApi<ServicesAnswer>("/api/v1/services");
  const wanted = useDeferredValue(name.trim().toLowerCase());
  return (
    <Page
      title={t("title")}
      aside={
        <input
          className="field"
          type="search"
          placeholder={t("filter")}
          aria-label={t("filter")}
          value={name}
          onChange={(event) => change({ name: event.target.value })}
        />
      }
    >
      <Answered query={query} lines={10}>
        {({ services }) => <Found services={services} wanted={wanted} />}
      </Answered>
    </Page>
  );
}

function Found({ services, wanted }: { services: Service[]; wanted: string }) {
  const shown = wanted ? services.filter((service) => service.name.toLowerCase().includes(wanted)) : services;
  if (services.length === 0) {
    return (
      <EmptyState title={t("none")}>
        <p>{t("noneText")}</p>
      </EmptyState>
    );
  }
  return (
    <>
      <p className="quiet" role="status">
        {shown.length === services.length
          ? t("count", { count: services.length })
          : t("of", { shown: count(shown.length), count: count(services.length) })}
      </p>
      {shown.length === 0 ? <EmptyState title={t("noMatch", { text: wanted })} /> : <ServiceTable services={shown} />}
    </>
  );
}
