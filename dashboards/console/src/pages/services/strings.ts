import { strings } from "../../i18n";

const en = {
  title: "Services",
  filter: "Filter by name",
  count: "{count} services",
  count_one: "One service",
  of: "{shown} of {count} services",
  none: "No service in this time.",
  noneText: "Widen the time range, or see whether data arrives: its age stands at the top.",
  noMatch: "No service has “{text}” in its name.",
};

const zh: Record<keyof typeof en, string> = {
  title: "服务",
  filter: "按名称过滤",
  count: "{count} 个服务",
  count_one: "1 个服务",
  of: "{shown} / {count} 个服务",
  none: "此时间内没有服务。",
  noneText: "请扩大时间范围，或检查数据是否到达：数据延迟显示在顶部。",
  noMatch: "没有名称包含“{text}”的服务。",
};

export const t = strings(en, zh);
