import { strings } from "../../i18n";

const en = {
  run: "Search",
  suggestions: "Suggestions",
  clear: "Clear",
  "at": "At character {at}: {error}",
  "did-you-mean": "Did you mean {text}?",
  operator: "compare",
  joiner: "and, or",
  span: "span",
  resource: "resource",
  log: "log",
  field: "field",
};

const zh: Record<keyof typeof en, string> = {
  run: "搜索",
  suggestions: "建议",
  clear: "清除",
  "at": "第 {at} 个字符：{error}",
  "did-you-mean": "是否指 {text}？",
  operator: "比较",
  joiner: "与，或",
  span: "span",
  resource: "资源",
  log: "日志",
  field: "字段",
};

export const t = strings(en, zh);
