/** An alert's expression for a graph: what is measured, and the threshold that it is compared with. */

export interface Threshold {
  /** What to draw. */
  expression: string;
  /** null: there is none that is one number, and the expression is drawn as it stands. */
  threshold: number | null;
  operator: string;
}

const NUMBER = /^[-+]?(?:\d+\.?\d*(?:e[-+]?\d+)?|\.\d+(?:e[-+]?\d+)?|0x[\da-f]+|inf)$/iu;

/**
 * Split `p95 > 0.2` into `p95` and 0.2. Only a comparison that is the outermost operator counts: not one within brackets
 * or quotes, none beside `and`, `or` and `unless`, and none with `bool`.
 */
export function splitThreshold(text: string): Threshold {
  const whole: Threshold = { expression: text, threshold: null, operator: "" };
  const found = outermost(text);
  if (found === null) return whole;
  const left = text.slice(0, found.at).trim();
  const right = text.slice(found.at + found.operator.length).trim();
  const mirrored: Record<string, string> = { ">": "<", "<": ">", ">=": "<=", "<=": ">=", "==": "==", "!=": "!=" };
  if (left && NUMBER.test(bare(right))) return { expression: left, threshold: Number(bare(right)), operator: found.operator };
  if (right && NUMBER.test(bare(left))) {
    return { expression: right, threshold: Number(bare(left)), operator: mirrored[found.operator] ?? found.operator };
  }
  return whole;
}

function bare(text: string): string {
  let found = text;
  while (found.startsWith("(") && found.endsWith(")")) found = found.slice(1, -1).trim();
  return found;
}

function outermost(text: string): { at: number; operator: string } | null {
  let depth = 0;
  let found: { at: number; operator: string } | null = null;
  for (let i = 0; i < text.length; i += 1) {
    const letter = text[i] ?? "";
    if (letter === '"' || letter === "'" || letter === "`") {
      i = closing(text, i, letter);
    } else if (letter === "#") {
      const end = text.indexOf("\n", i);
      i = end < 0 ? text.length : end;
    } else if ("([{".includes(letter)) {
      depth += 1;
    } else if (")]}".includes(letter)) {
      depth -= 1;
    } else if (depth === 0) {
      const operator = /^(?:==|!=|>=|<=|>|<)/u.exec(text.slice(i, i + 2))?.[0];
      if (operator !== undefined) {
        if (found !== null || /^\s*bool\b/iu.test(text.slice(i + operator.length))) return null;
        found = { at: i, operator };
        i += operator.length - 1;
      } else if (/^(?:and|or|unless)\b/iu.test(text.slice(i)) && !/\w/u.test(text[i - 1] ?? " ")) {
        return null;
      }
    }
  }
  return found;
}

/** Where a quoted text ends. */
function closing(text: string, from: number, quote: string): number {
  for (let i = from + 1; i < text.length; i += 1) {
    if (text[i] === "\\" && quote !== "`") i += 1;
    else if (text[i] === quote) return i;
  }
  return text.length;
}
