import { strings } from "../../i18n";

const en = {
  metrics: "Metrics",
  expression: "PromQL expression",
  empty: "Write a PromQL expression, or begin with one of these:",
  none: "The expression has no series in this range.",
  chart: "Values every {step} s",
  series: "Series; choose one to see it alone",
  more: "The first {shown} series are shown; {more} more match.",
  traces: "Traces of {service}",
  exemplars: "Exemplars",
  exemplar: "{value} at {time}, trace {trace}: click to open it",
};

const zh: Record<keyof typeof en, string> = {
  metrics: "指标",
  expression: "PromQL 表达式",
  empty: "输入 PromQL 表达式，或从以下之一开始：",
  none: "此时间范围内该表达式没有序列。",
  chart: "每 {step} 秒一个值",
  series: "序列；选择一条以单独查看",
  more: "显示前 {shown} 条序列；另有 {more} 条匹配。",
  traces: "{service} 的链路",
  exemplars: "样例（exemplar）",
  exemplar: "{time} 的值 {value}，链路 {trace}：点击打开",
};

export const t = strings(en, zh);
