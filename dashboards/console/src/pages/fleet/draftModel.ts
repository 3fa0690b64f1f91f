/** Revisions that wait for somebody to decide, as the control plane gives them. Times in ns. */

export interface Draft {
  number: string;
  author: string;
  comment: string;
  created: number;
  expires: number;
  against: string;
  missing: number;
  approvals: { by: string; at: number; against: string }[];
}

export interface DraftsAnswer {
  required: number;
  role: string;
  drafts: Draft[];
}

export interface DifferenceAnswer {
  against: string;
  lines: string[];
}

/** Whether a person may not approve a draft because they wrote it: the control plane refuses the same. */
export function blocked(draft: Draft, required: number, name: string | undefined): boolean {
  return required > 0 && name !== undefined && name.toLowerCase() === draft.author.toLowerCase();
}

/** What a line of `diff -u` is. */
export function lineTone(line: string): "head" | "added" | "removed" | "same" {
  if (line.startsWith("+++") || line.startsWith("---") || line.startsWith("@@")) return "head";
  if (line.startsWith("+")) return "added";
  return line.startsWith("-") ? "removed" : "same";
}
