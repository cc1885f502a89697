// What part of a curve's horizontal axis is seen. Steps and milliseconds are whole numbers, so a part
// is two of them, both seen; in an address "100..250".
import type { ThinCurve } from "./curves";

export type Span = readonly [number, number];

export function span_of(text: string | undefined): Span | null {
  const found = /^(-?\d{1,16})\.\.(-?\d{1,16})$/.exec(text ?? "");
  if (!found) return null;
  const [from, to] = [Number(found[1]), Number(found[2])];
  return Number.isSafeInteger(from) && Number.isSafeInteger(to) && from < to ? [from, to] : null;
}

/** What a mouse or a button chose, widened to whole numbers. */
export function span_text(from: number, to: number): string | undefined {
  const [a, b] = [Math.floor(Math.min(from, to)), Math.ceil(Math.max(from, to))];
  return Number.isSafeInteger(a) && Number.isSafeInteger(b) && a < b ? `${a}..${b}` : undefined;
}

/** From the first to the last x of all; `relative`: counted from each curve's own first. */
export function whole_span(
  curves: readonly Pick<ThinCurve, "x_min" | "x_max">[],
  relative: boolean,
): Span | null {
  let [from, to] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const { x_min, x_max } of curves) {
    if (x_min === undefined || x_max === undefined) continue;
    from = Math.min(from, relative ? 0 : x_min);
    to = Math.max(to, relative ? x_max - x_min : x_max);
  }
  return from < to ? [from, to] : null;
}

/** Around the middle; factor 0.5 shows half of it. Never more than the whole. */
export function scaled(seen: Span, whole: Span, factor: number): Span {
  const half = Math.max(1, ((seen[1] - seen[0]) * factor) / 2);
  const middle = (seen[0] + seen[1]) / 2;
  return kept([middle - half, middle + half], whole);
}

/** Moved by this share of what is seen. */
export function moved(seen: Span, whole: Span, share: number): Span {
  const by = (seen[1] - seen[0]) * share;
  return kept([seen[0] + by, seen[1] + by], whole);
}

function kept([from, to]: Span, whole: Span): Span {
  const size = Math.min(to - from, whole[1] - whole[0]);
  const start = Math.min(Math.max(from, whole[0]), whole[1] - size);
  return [start, start + size];
}

/** Every stretch that is seen is one point already: nothing finer can be asked for. */
export function is_exact(curve: ThinCurve, [from, to]: Span): boolean {
  const odd = new Map(curve.marks.map((m) => [m.x, m.nan + m.above + m.below]));
  return curve.x_first.every((x, i) => {
    const seen = (curve.x_last[i] ?? x) >= from && x <= to;
    return !seen || (curve.n[i] ?? 0) + (odd.get(x) ?? 0) <= 1;
  });
}

/** The fine part inside the coarse curve, which goes on beside it so that lines don't end in the air. */
export function spliced<C extends ThinCurve>(
  coarse: C,
  fine: ThinCurve | undefined,
  [from, to]: Span,
): C {
  if (!fine) return coarse;
  const before: number[] = [];
  const behind: number[] = [];
  coarse.x_first.forEach((x, i) => {
    if ((coarse.x_last[i] ?? x) < from) before.push(i);
    else if (x > to) behind.push(i);
  });
  const join = <T>(key: (c: ThinCurve) => readonly T[]): T[] => [
    ...before.map((i) => key(coarse)[i] as T),
    ...key(fine),
    ...behind.map((i) => key(coarse)[i] as T),
  ];
  return {
    ...coarse,
    x_first: join((c) => c.x_first),
    x_last: join((c) => c.x_last),
    n: join((c) => c.n),
    min: join((c) => c.min),
    max: join((c) => c.max),
    last: join((c) => c.last),
  };
}

const pad = (n: number) => String(n).padStart(2, "0");

/** A mark on a wall-clock axis whose marks are `step` ms apart; the day where one begins. */
export function time_label(ms: number, step_ms: number): string {
  const t = new Date(ms);
  const day = `${pad(t.getMonth() + 1)}-${pad(t.getDate())}`;
  if (step_ms >= 365 * 86_400_000) return String(t.getFullYear());
  if (step_ms >= 28 * 86_400_000) return `${t.getFullYear()}-${pad(t.getMonth() + 1)}`;
  const time = `${pad(t.getHours())}:${pad(t.getMinutes())}`;
  if (step_ms >= 86_400_000 || time === "00:00") return day;
  if (step_ms >= 60_000) return time;
  const seconds = `${time}:${pad(t.getSeconds())}`;
  return step_ms >= 1_000 ? seconds : `${seconds}.${String(t.getMilliseconds()).padStart(3, "0")}`;
}
