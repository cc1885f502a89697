// How the console writes numbers, times and names. Missing is "–", and NaN and ±∞ are values.

const kThin = "\u202f";
export const kMissing = "–";

type Maybe = number | null | undefined;

function odd(value: Maybe): string | null {
  if (value === null || value === undefined) return kMissing;
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  return null;
}

const minus = (text: string) => text.replace(/^-/, "−");

/** 12345 → "12,345". */
export function integer(value: Maybe): string {
  return odd(value) ?? minus(Math.round(value as number).toLocaleString("en-US"));
}

/** Fixed decimals: 0.8012 → "0.801". */
export function decimal(value: Maybe, digits = 3): string {
  return odd(value) ?? minus((value as number).toFixed(digits));
}

/** Signed difference: 0.0112 → "+0.011". */
export function signed(value: Maybe, digits = 3): string {
  const special = odd(value);
  if (special !== null) return special;
  return `${(value as number) >= 0 ? "+" : ""}${minus((value as number).toFixed(digits))}`;
}

/** 0.2 → "20 %"; 0.0123 → "1.2 %". */
export function percent(value: Maybe, digits?: number): string {
  const special = odd(value);
  if (special !== null) return special;
  const scaled = (value as number) * 100;
  const auto = Math.abs(scaled - Math.round(scaled)) < 0.05 ? 0 : 1;
  return `${minus(scaled.toFixed(digits ?? auto))}${kThin}%`;
}

/** Any magnitude in a few characters: 0.00042 → "4.2e−4", 18234 → "18,234". */
export function quantity(value: Maybe): string {
  const special = odd(value);
  if (special !== null) return special;
  const x = value as number;
  const size = Math.abs(x);
  if (x === 0) return "0";
  if (size >= 1e6 || size < 1e-3) {
    const [mantissa, exponent] = x.toExponential(1).split("e") as [string, string];
    return `${minus(mantissa)}e${exponent.replace("+", "").replace("-", "−")}`;
  }
  if (size >= 100) return integer(x);
  return minus(Number(x.toPrecision(3)).toString());
}

const kByteUnits = ["B", "KiB", "MiB", "GiB", "TiB"];

export function bytes(value: Maybe): string {
  const special = odd(value);
  if (special !== null) return special;
  let x = value as number;
  let unit = 0;
  while (x >= 1024 && unit < kByteUnits.length - 1) {
    x /= 1024;
    unit++;
  }
  return `${unit === 0 || x >= 100 ? Math.round(x) : x.toFixed(1)}${kThin}${kByteUnits[unit]}`;
}

/** A duration from microseconds: 132 → "132 µs", 4210 → "4.2 ms". */
export function duration_us(value: Maybe): string {
  const special = odd(value);
  if (special !== null) return special;
  const us = value as number;
  if (us < 1_000) return `${Math.round(us)}${kThin}µs`;
  if (us < 1_000_000) {
    const ms = us / 1_000;
    return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)}${kThin}ms`;
  }
  return span_ms(us / 1_000);
}

/** A span from milliseconds, two units at most: "3 d 4 h", "12 s". */
export function span_ms(value: Maybe): string {
  const special = odd(value);
  if (special !== null) return special;
  const s = Math.max(0, Math.floor((value as number) / 1_000));
  if (s < 60) return `${s}${kThin}s`;
  const m = Math.floor(s / 60);
  if (m < 60) return s % 60 && m < 10 ? `${m}${kThin}min ${s % 60}${kThin}s` : `${m}${kThin}min`;
  const h = Math.floor(m / 60);
  if (h < 24) return m % 60 ? `${h}${kThin}h ${m % 60}${kThin}min` : `${h}${kThin}h`;
  const d = Math.floor(h / 24);
  return h % 24 && d < 10 ? `${d}${kThin}d ${h % 24}${kThin}h` : `${d}${kThin}d`;
}

export function ago(then_ms: number, now_ms: number): string {
  const gap = now_ms - then_ms;
  if (gap < 5_000) return "just now";
  return `${span_ms(gap).split(" ")[0]} ago`;
}

const pad = (x: number) => String(x).padStart(2, "0");

/** Local time, sortable: "2026-11-23 07:12:09". */
export function timestamp(ms: Maybe): string {
  const special = odd(ms);
  if (special !== null) return special;
  const t = new Date(ms as number);
  const day = `${t.getFullYear()}-${pad(t.getMonth() + 1)}-${pad(t.getDate())}`;
  return `${day} ${pad(t.getHours())}:${pad(t.getMinutes())}:${pad(t.getSeconds())}`;
}

/** "07:12:09", or with decimals of the second: "07:12:09.25". */
export function clock(ms: number, digits = 0): string {
  const t = new Date(ms);
  const fraction = digits > 0 ? (t.getMilliseconds() / 1_000).toFixed(digits).slice(1) : "";
  return `${pad(t.getHours())}:${pad(t.getMinutes())}:${pad(t.getSeconds())}${fraction}`;
}

/** "sha256:0123456789abcdef…" → "0123456789ab". */
export function short_digest(digest: string | null | undefined): string {
  if (!digest) return kMissing;
  return digest.replace(/^[a-z0-9]+:/, "").slice(0, 12);
}

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${integer(n)} ${n === 1 ? one : many}`;
}

/** "rolled_back" → "rolled back". */
export function words(slug: string): string {
  return slug.replaceAll("_", " ");
}
