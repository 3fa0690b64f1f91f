/** The path of a small line: 0..100 wide, 0..20 high, broken where nothing is known. */
export function sparkPath(values: readonly (number | null)[]): string {
  const max = Math.max(1, ...values.map((value) => value ?? 0));
  const width = Math.max(1, values.length - 1);
  let pen = "M";
  return values
    .map((value, at) => {
      if (value === null) {
        pen = "M";
        return "";
      }
      const point = `${pen}${((at / width) * 100).toFixed(1)} ${(19 - (value / max) * 18).toFixed(1)}`;
      const alone = pen === "M" && (values[at + 1] ?? null) === null;
      pen = "L";
      return alone ? `${point}h2` : point;
    })
    .join("");
}
