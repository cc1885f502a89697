// Numbers that JSON has no word for.

export type Wire = number | string | null;

/** "NaN" → NaN, "-Infinity" → −∞; what is no number at all → null. */
export function number_of(value: Wire | undefined): number | null {
  if (typeof value === "number") return value;
  if (value === "NaN") return Number.NaN;
  if (value === "Infinity") return Number.POSITIVE_INFINITY;
  if (value === "-Infinity") return Number.NEGATIVE_INFINITY;
  return null;
}

/** Six digits that count: what people compare runs by. NaN and the infinities are words. */
export function figure(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  const text =
    size !== 0 && (size >= 1e9 || size < 1e-4)
      ? value.toExponential(3).replace("e+", "e").replace("e-", "e−")
      : String(Number(value.toPrecision(6)));
  return text.replace(/^-/, "−");
}

/** A parameter as a number, when all of it is one. */
export function param_number(text: string | undefined): number | null {
  if (text === undefined || text.trim() === "") return null;
  const value = Number(text);
  return Number.isNaN(value) ? null : value;
}
