import { strings } from "../i18n";

const en = {
  log_in: "Log in to do this: it needs the operator role.",
  role: "{name} is {role}: this needs the operator role.",
  unknown: "Checking what you may do",
  asNow: "Recorded on the audit trail as {name}.",
  confirm: "Confirm",
  cancel: "Cancel",
  working: "Working",
  failed: "It was refused: {reason}",
};

const zh: Record<keyof typeof en, string> = {
  log_in: "请先登录：此操作需要 operator 角色。",
  role: "{name} 的角色是 {role}：此操作需要 operator 角色。",
  unknown: "正在检查您的权限",
  asNow: "将以 {name} 的名义记入审计日志。",
  confirm: "确认",
  cancel: "取消",
  working: "正在执行",
  failed: "被拒绝：{reason}",
};

export const t = strings(en, zh);
