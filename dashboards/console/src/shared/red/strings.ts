import { strings } from "../../i18n";

const en = {
  rate: "Requests",
  failed: "Failed",
  errorRate: "Error rate",
  latency: "Latency",
  anomaly: "Anomaly: {service}: {why}",
  repair: "Repair of {service}: {state}",
  deploy: "First span of version {version}",
  rollout: "Deploy of {service}: first span of version {version} at {time}",
  service: "Service",
  environment: "Environment",
  trend: "Trend",
  score: "Anomaly score",
  instances: "Instances",
  version: "Version",
  lastSeen: "Last seen",
  services: "Services",
  trendText: "Requests over the range; the newest {last}, at most {max} in a bucket",
  onlyInternal: "internal spans only",
  usual: "as usual",
};

const zh: Record<keyof typeof en, string> = {
  rate: "请求",
  failed: "其中失败",
  errorRate: "错误率",
  latency: "延迟",
  anomaly: "异常：{service}：{why}",
  repair: "修复 {service}：{state}",
  deploy: "版本 {version} 的第一个 span",
  rollout: "部署 {service}：版本 {version} 的第一个 span 在 {time}",
  service: "服务",
  environment: "环境",
  trend: "趋势",
  score: "异常分数",
  instances: "实例",
  version: "版本",
  lastSeen: "最后出现",
  services: "服务",
  trendText: "时间范围内的请求；最新 {last}，单个区间最多 {max}",
  onlyInternal: "仅有内部 span",
  usual: "正常",
};

export const t = strings(en, zh);
