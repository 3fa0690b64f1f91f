import { strings } from "../../i18n";

const en = {
  mark: "Mark",
  right: "Right",
  wrong: "Wrong",
  expected: "Expected",
  said: "{verdict}, says {who}",
  until: "counts until {time} {note}",
  itWas: "It was {service}",
  anomaly_right: "Take back one step of what was marked as wrong on this series, and end what was expected?",
  anomaly_wrong: "Ask for values 20 times as rare before this series is reported again? Half of that is gone after a week.",
  anomaly_expected: "Report the like of this again only in a day? What is more unusual is reported all the same.",
  ranking_right: "Let such evidence against the first service weigh a little more in the next rankings?",
  ranking_wrong: "Let such evidence against the first service weigh a little less in the next rankings?",
  ranking_expected: "",
  ranking_cause: "Let evidence against {service} weigh a little more in the next rankings, and that against the first service less?",
};

const zh: Record<keyof typeof en, string> = {
  mark: "标记",
  right: "正确",
  wrong: "误报",
  expected: "预期之内",
  said: "{who} 标记为：{verdict}",
  until: "有效期至 {time} {note}",
  itWas: "原因是 {service}",
  anomaly_right: "撤回该序列的一级误报标记，并结束“预期之内”的标记？",
  anomaly_wrong: "该序列需出现罕见程度为原来 20 倍的值才再次报告？一周后影响减半。",
  anomaly_expected: "一天内不再报告同等程度的异常？更异常的仍会报告。",
  ranking_right: "在之后的排名中，略微提高针对首位服务的此类证据的权重？",
  ranking_wrong: "在之后的排名中，略微降低针对首位服务的此类证据的权重？",
  ranking_expected: "",
  ranking_cause: "在之后的排名中，略微提高针对 {service} 的证据的权重，并降低针对首位服务的证据的权重？",
};

export const t = strings(en, zh);
