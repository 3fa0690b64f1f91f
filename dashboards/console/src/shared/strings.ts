import { strings } from "../i18n";

const en = {
  loading: "Loading",
  retry: "Try again",
  failed: "This could not be loaded",
  stale: "Not current: this could not be loaded again",
  unreachable: "The server does not answer.",
  notServed: "This process does not provide this part; another process of the installation may.",
  more: "Show {count} more",
  rowsOf: "{shown} of {count}",
  sortBy: "Sort by",
  close: "Close",
  copy: "Copy",
  copied: "Copied",
  noData: "no data",
  dragToZoom: "Drag to zoom",
  until: "to",
};

const zh: Record<keyof typeof en, string> = {
  loading: "加载中",
  retry: "重试",
  failed: "无法加载",
  stale: "不是最新：无法重新加载",
  unreachable: "服务器没有响应。",
  notServed: "此进程不提供该内容；可能由此 Spanloom 的其他进程提供。",
  more: "再显示 {count} 条",
  rowsOf: "{shown} / {count}",
  sortBy: "排序",
  close: "关闭",
  copy: "复制",
  copied: "已复制",
  noData: "无数据",
  dragToZoom: "拖动可放大",
  until: "至",
};

export const t = strings(en, zh);
