// From thinned curves to what a chart draws: one shared x axis, a line and a band per curve, smoothing
// that NaN neither breaks nor enters, axes that may be logarithmic.

export interface ThinCurve {
  run_id: string;
  key: string;
  points: number;
  x_min?: number; // Of all that was logged, whatever part this is.
  x_max?: number;
  x_first: number[];
  x_last: number[];
  n: number[];
  min: (number | null)[];
  max: (number | null)[];
  last: (number | null)[];
  marks: { x: number; nan: number; above: number; below: number }[];
}

/**
 * Exponential moving average with its start corrected, so that the first values aren't pulled to 0.
 * `weight` 0 leaves the line as it is. Gaps stay gaps and aren't averaged.
 */
export function smooth(values: readonly (number | null)[], weight: number): (number | null)[] {
  if (weight <= 0) return [...values];
  let sum = 0;
  let mass = 0;
  return values.map((v) => {
    if (v === null || !Number.isFinite(v)) return null;
    sum = sum * weight + (1 - weight) * v;
    mass = mass * weight + (1 - weight);
    return sum / mass;
  });
}

/** On a logarithmic axis only what is above 0 has a place. */
export function positive(values: readonly (number | null)[]): (number | null)[] {
  return values.map((v) => (v !== null && v > 0 ? v : null));
}

export interface Drawn {
  x: number[];
  /** Per curve, on the shared x: the line, the faint raw line, the band; undefined: no point here. */
  lines: Column[];
  raw: Column[];
  low: Column[];
  high: Column[];
  left_out: number; // Points that a logarithmic axis cannot show.
}
export type Column = (number | null | undefined)[];

export interface DrawOptions {
  weight: number;
  log_x: boolean;
  log_y: boolean;
  x_of: (x: number, curve: number) => number;
}

/** Undefined joins over (another curve's x); null is a gap (this curve's own NaN). */
export function align(curves: readonly ThinCurve[], options: DrawOptions): Drawn {
  const at = curves.map((c, i) => c.x_first.map((x) => options.x_of(x, i)));
  const shown = (x: number) => !options.log_x || x > 0;
  const x = [...new Set(at.flat().filter(shown))].sort((a, b) => a - b);
  const place = new Map(x.map((value, i) => [value, i]));
  const out: Drawn = { x, lines: [], raw: [], low: [], high: [], left_out: 0 };
  curves.forEach((curve, i) => {
    const spread = (values: readonly (number | null)[]): Column => {
      const column: Column = new Array(x.length).fill(undefined);
      values.forEach((v, j) => {
        const where = place.get(at[i]?.[j] ?? Number.NaN);
        if (where !== undefined) column[where] = v;
      });
      return column;
    };
    const cut = (values: readonly (number | null)[]) =>
      options.log_y ? positive(values) : [...values];
    out.left_out += curve.n.filter(
      (n, j) => n > 0 && (!shown(at[i]?.[j] ?? 0) || (options.log_y && (curve.last[j] ?? 0) <= 0)),
    ).length;
    out.lines.push(spread(cut(smooth(curve.last, options.weight))));
    out.raw.push(spread(cut(curve.last)));
    out.low.push(spread(cut(curve.min)));
    out.high.push(spread(cut(curve.max)));
  });
  return out;
}

/** "12 NaN, 1 −∞": what a curve holds beside its line; "" when there is nothing. */
export function marks_text(marks: ThinCurve["marks"]): string {
  const sum = { nan: 0, above: 0, below: 0 };
  for (const m of marks) {
    sum.nan += m.nan;
    sum.above += m.above;
    sum.below += m.below;
  }
  return [
    sum.nan && `${sum.nan} NaN`,
    sum.above && `${sum.above} ∞`,
    sum.below && `${sum.below} −∞`,
  ]
    .filter(Boolean)
    .join(", ");
}

/** The least and the greatest finite value over a curve's stretches; null when there is none. */
export function extent(curve: Pick<ThinCurve, "min" | "max">): [number, number] | null {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const v of curve.min) if (v !== null && v < low) low = v;
  for (const v of curve.max) if (v !== null && v > high) high = v;
  return low <= high ? [low, high] : null;
}

/** Where a value stands between 0 and 1 on a straight or logarithmic axis; null: nowhere. */
export function position(
  value: number | null,
  [low, high]: readonly [number, number],
  log: boolean,
): number | null {
  if (value === null || !Number.isFinite(value)) return null;
  if (log && (value <= 0 || low <= 0)) return null;
  const f = log ? Math.log10 : (v: number) => v;
  if (high === low) return 0.5;
  return (f(value) - f(low)) / (f(high) - f(low));
}

/** The range of what an axis can show. */
export function range_of(
  values: readonly (number | null)[],
  log: boolean,
): [number, number] | null {
  const known = values.filter(
    (v): v is number => v !== null && Number.isFinite(v) && (!log || v > 0),
  );
  return known.length === 0
    ? null
    : [known.reduce((a, b) => Math.min(a, b)), known.reduce((a, b) => Math.max(a, b))];
}
