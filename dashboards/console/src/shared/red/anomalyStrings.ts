import { strings } from "../../i18n";

const en = { anomalies: "Anomalies", time: "Time", score: "Score", where: "Where", what: "What", traces: "Traces", around: "look around this time" };

const zh: Record<keyof typeof en, string> = {
  anomalies: "异常",
  time: "时间",
  score: "分数",
  where: "位置",
  what: "内容",
  traces: "链路",
  around: "查看此时间前后",
};

export const t = strings(en, zh);
