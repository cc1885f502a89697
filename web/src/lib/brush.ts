// Brushes of parallel coordinates: a run counts when on every brushed axis it lies inside. NaN, ±∞ and
// what a run lacks lie inside no brush.
import { position } from "./curves";

export interface Brush {
  id: string; // The axis: "metrics.loss".
  low: number;
  high: number;
}

export interface Axis {
  id: string;
  log: boolean;
  range: readonly [number, number];
}

/** "params.lr:0.01..0.1" each, its id percent-encoded, joined by commas. What is none is left out. */
export function brushes_of(text: string | undefined): Brush[] {
  const out: Brush[] = [];
  for (const part of (text ?? "").split(",")) {
    const found = /^(.+):([^:]+)\.\.([^:]+)$/.exec(part);
    if (!found) continue;
    const [low, high] = [Number(found[2]), Number(found[3])];
    const id = decoded(found[1] as string);
    if (id && Number.isFinite(low) && Number.isFinite(high) && low <= high)
      out.push({ id, low, high });
  }
  return out;
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null; // "%" alone, from an address that somebody cut.
  }
}

export function brushes_text(brushes: readonly Brush[]): string | undefined {
  return (
    brushes.map((b) => `${encodeURIComponent(b.id)}:${b.low}..${b.high}`).join(",") || undefined
  );
}

/** Replaces the brush of its axis; null takes it away. */
export function with_brush(brushes: readonly Brush[], id: string, brush: Brush | null): Brush[] {
  const rest = brushes.filter((b) => b.id !== id);
  return brush ? [...rest, brush] : rest;
}

export function passes(
  brushes: readonly Brush[],
  value_of: (id: string) => number | null,
): boolean {
  return brushes.every(({ id, low, high }) => {
    const value = value_of(id);
    return value !== null && value >= low && value <= high && Number.isFinite(value);
  });
}

/** The value that stands at this share of an axis, 0 below and 1 above; both ends exactly. */
export function value_at_share(axis: Axis, share: number): number {
  const [low, high] = axis.range;
  if (share <= 0) return low;
  if (share >= 1) return high;
  if (!axis.log) return low * (1 - share) + high * share; // Their difference may be infinite.
  return 10 ** (Math.log10(low) * (1 - share) + Math.log10(high) * share);
}

export const share_of = (axis: Axis, value: number): number =>
  Math.min(1, Math.max(0, position(value, axis.range, axis.log) ?? 0));

/** Between two shares in any order; null when it covers the axis and so asks nothing of a number. */
export function brush_between(axis: Axis, a: number, b: number): Brush | null {
  const [from, to] = [Math.max(0, Math.min(a, b)), Math.min(1, Math.max(a, b))];
  if (from <= 0 && to >= 1) return null;
  const low = rounded(value_at_share(axis, from), axis);
  const high = rounded(value_at_share(axis, to), axis);
  return { id: axis.id, low: Math.min(low, high), high: Math.max(low, high) };
}

/** Few enough digits for an address, and fine enough for a pixel; the ends stay what they are. */
function rounded(value: number, axis: Axis): number {
  return value === axis.range[0] || value === axis.range[1] ? value : Number(value.toPrecision(6));
}

const kStep = 0.02;
const kLeap = 0.1;

/** Where a key moves one end of a brush that is at this share; null: no key of a slider. */
export function key_share(key: string, share: number): number | null {
  const by: Record<string, number> = {
    ArrowUp: kStep,
    ArrowRight: kStep,
    ArrowDown: -kStep,
    ArrowLeft: -kStep,
    PageUp: kLeap,
    PageDown: -kLeap,
    Home: -1,
    End: 1,
  };
  const step = by[key];
  return step === undefined ? null : Math.min(1, Math.max(0, share + step));
}
