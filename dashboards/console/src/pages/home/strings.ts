import { strings } from "../../i18n";

const en = {
  title: "Home",
  incidents: "Open incidents",
  calm: "No open incident. Nothing unusual in this time.",
  calmButOdd: "No open incident. {count} anomalies in this time.",
  calmButOdd_one: "No open incident. One anomaly in this time.",
  since: "opened {time}",
  rootCause: "Likely root cause: {service}",
  reach: "{share} of the traffic, {count} instances",
  reach_one: "{share} of the traffic, one instance",
  noCause: "{playbook} answers what happened; no root cause is ranked yet.",
  look: "Open incident",
  traffic: "Traffic of all services",
  services: "Services",
  anomalies: "Anomalies",
  newest: "The newest {shown} of {count}",
  empty: "Nothing was received in this time.",
  emptyText: "Widen the time range, or send traces, logs and metrics by OTLP to this machine:",
  noReceiver: "This process knows of no OTLP receiver: see where the collector runs.",
  seen: "{seen}, expected {expected}",
  traces: "traces",
};

const zh: Record<keyof typeof en, string> = {
  title: "首页",
  incidents: "未结束的事件",
  calm: "没有未结束的事件。此时间内一切正常。",
  calmButOdd: "没有未结束的事件。此时间内有 {count} 个异常。",
  calmButOdd_one: "没有未结束的事件。此时间内有 1 个异常。",
  since: "{time} 开始",
  rootCause: "可能的根因：{service}",
  reach: "{share} 的流量，{count} 个实例",
  reach_one: "{share} 的流量，1 个实例",
  noCause: "{playbook} 正在处理；尚未排出根因。",
  look: "打开事件",
  traffic: "所有服务的流量",
  services: "服务",
  anomalies: "异常",
  newest: "最新的 {shown} 个，共 {count} 个",
  empty: "此时间内没有收到任何数据。",
  emptyText: "扩大时间范围，或通过 OTLP 向本机发送链路、日志和指标：",
  noReceiver: "此进程不知道任何 OTLP 接收器：请查看收集器在何处运行。",
  seen: "{seen}，预期 {expected}",
  traces: "链路",
};

export const t = strings(en, zh);
