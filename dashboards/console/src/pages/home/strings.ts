import { strings } from "../../i18n";

const en = {
  title: "Home",
  incidents: "Open incidents",
  calm: "No open incident. Nothing unusual in this time.",
  calmButOdd: "No open incident. {count} anomalies in this time.",
  calmButOdd_one: "No open incident. One anomaly in this time.",
  since: "since {time}",
  rootCause: "Likely root cause: {service}",
  reach: "{share} of the traffic, {instances} instances",
  approve: "Waits for approval",
  look: "Open incident",
  acknowledged: "{name} is on it",
  traffic: "Traffic of all services",
  services: "Services",
  anomalies: "Anomalies",
  newest: "The newest {shown} of {count}",
  empty: "Nothing was received in this time.",
  emptyText: "Widen the time range, or send traces, logs and metrics by OTLP to this machine:",
  seen: "{seen}, expected {expected}",
  traces: "traces",
};

const zh: Record<keyof typeof en, string> = {
  title: "首页",
  incidents: "未结束的事件",
  calm: "没有未结束的事件。此时间内一切正常。",
  calmButOdd: "没有未结束的事件。此时间内有 {count} 个异常。",
  calmButOdd_one: "没有未结束的事件。此时间内有 1 个异常。",
  since: "自 {time}",
  rootCause: "可能的根因：{service}",
  reach: "{share} 的流量，{instances} 个实例",
  approve: "等待批准",
  look: "打开事件",
  acknowledged: "{name} 正在处理",
  traffic: "所有服务的流量",
  services: "服务",
  anomalies: "异常",
  newest: "最新的 {shown} 个，共 {count} 个",
  empty: "此时间内没有收到任何数据。",
  emptyText: "扩大时间范围，或通过 OTLP 向本机发送链路、日志和指标：",
  seen: "{seen}，预期 {expected}",
  traces: "链路",
};

export const t = strings(en, zh);
