// How stretches of time are laid out: one lane a target, as many rows in it as overlap at once.
import type { TimelineSpan } from "../api/releases";

export interface Bar {
  x0: number; // 0…1 of the drawn range.
  x1: number;
  row: number; // Within its lane.
  open: boolean;
  span: TimelineSpan;
}

export interface Lane {
  key: string;
  label: string;
  rows: number;
  bars: Bar[];
}

export interface Drawn {
  from_ms: number;
  to_ms: number;
  lanes: Lane[];
}

const kOrder = { stage: 0, alias: 1, policy: 2 };

const lane_key = (s: TimelineSpan) => `${kOrder[s.kind]} ${s.target}`;

/** Lanes on [first start, now]: stages, then aliases, then policies. */
export function lay_out(spans: readonly TimelineSpan[], now_ms: number): Drawn {
  const from_ms = Math.min(...spans.map((s) => s.from_ms), now_ms);
  const to_ms = Math.max(now_ms, ...spans.map((s) => s.to_ms ?? s.from_ms));
  const width = Math.max(1, to_ms - from_ms);
  const lanes = new Map<string, Lane & { free: number[] }>();
  for (const span of [...spans].sort((a, b) => a.from_ms - b.from_ms || a.n - b.n)) {
    const key = lane_key(span);
    let lane = lanes.get(key);
    if (!lane) {
      const label = span.kind === "policy" ? `policy ${span.target}` : span.target;
      lane = { key, label, rows: 0, bars: [], free: [] };
      lanes.set(key, lane);
    }
    const end = span.to_ms ?? Number.POSITIVE_INFINITY;
    let row = lane.free.findIndex((until) => until <= span.from_ms);
    if (row < 0) row = lane.free.push(end) - 1;
    else lane.free[row] = end;
    lane.rows = lane.free.length;
    lane.bars.push({
      x0: (span.from_ms - from_ms) / width,
      x1: ((span.to_ms ?? to_ms) - from_ms) / width,
      row,
      open: span.to_ms === undefined,
      span,
    });
  }
  const sorted = [...lanes.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  return {
    from_ms,
    to_ms,
    lanes: sorted.map(({ key, label, rows, bars }) => ({ key, label, rows, bars })),
  };
}

const pad = (x: number) => String(x).padStart(2, "0");

/** What `<input type="datetime-local" step="1">` wants: local time. */
export function to_picker(ms: number | undefined): string {
  if (ms === undefined) return "";
  const t = new Date(ms);
  const day = `${t.getFullYear()}-${pad(t.getMonth() + 1)}-${pad(t.getDate())}`;
  return `${day}T${pad(t.getHours())}:${pad(t.getMinutes())}:${pad(t.getSeconds())}`;
}

/** Of a whole second its end: what began within it was so at that time. */
export function from_picker(text: string): number | undefined {
  const ms = new Date(text).getTime();
  return text && Number.isFinite(ms) ? ms + 999 : undefined;
}
