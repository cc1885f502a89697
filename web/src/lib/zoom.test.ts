import { describe, expect, it } from "vitest";
import type { ThinCurve } from "./curves";
import {
  is_exact,
  moved,
  scaled,
  span_of,
  span_text,
  spliced,
  time_label,
  whole_span,
} from "./zoom";

/** Stretches of `width` steps from `begin` on; the value of each is its first step. */
function curve(begin: number, count: number, width: number, odd = false): ThinCurve {
  const x = Array.from({ length: count }, (_, i) => begin + i * width);
  return {
    run_id: "r",
    key: "k",
    points: count * width,
    x_min: begin,
    x_max: begin + count * width - 1,
    x_first: x,
    x_last: x.map((v) => v + width - 1),
    n: x.map(() => (odd ? 0 : width)),
    min: x.map((v) => (odd ? null : v)),
    max: x.map((v) => (odd ? null : v + width - 1)),
    last: x.map((v) => (odd ? null : v + width - 1)),
    marks: odd ? x.map((v) => ({ x: v, nan: width, above: 0, below: 0 })) : [],
  };
}

describe("a span in an address", () => {
  it("reads back", () => {
    for (const [a, b] of [
      [0, 1],
      [-30, 20],
      [1_780_000_000_000, 1_780_000_000_001],
    ] as const)
      expect(span_of(span_text(a, b))).toEqual([a, b]);
    expect(span_text(2.7, 1.2)).toBe("1..3");
  });
  it("is nothing else", () => {
    for (const bad of [undefined, "", "1", "1..", "2..1", "1..1", "a..b", "1..2..3", "NaN..3"])
      expect(span_of(bad)).toBeNull();
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, 1e300])
      expect(span_text(0, bad)).toBeUndefined();
    expect(span_text(4, 4)).toBeUndefined();
  });
});

describe("moving", () => {
  const whole = [0, 1000] as const;
  it("zooms around the middle and stays inside", () => {
    expect(scaled([400, 600], whole, 0.5)).toEqual([450, 550]);
    expect(scaled([0, 100], whole, 4)).toEqual([0, 400]);
    expect(scaled([0, 900], whole, 4)).toEqual([0, 1000]);
    expect(scaled([500, 501], whole, 0.001)).toEqual([499.5, 501.5]);
  });
  it("pans until the end", () => {
    expect(moved([400, 600], whole, 0.5)).toEqual([500, 700]);
    expect(moved([900, 1000], whole, 0.5)).toEqual([900, 1000]);
    expect(moved([0, 100], whole, -0.5)).toEqual([0, 100]);
  });
  it("knows the whole, by itself or from each beginning", () => {
    const two = [curve(100, 10, 1), curve(5000, 30, 1), { x_min: undefined, x_max: undefined }];
    expect(whole_span(two, false)).toEqual([100, 5029]);
    expect(whole_span(two, true)).toEqual([0, 29]);
    expect(whole_span([curve(3, 1, 1)], false)).toBeNull();
    expect(whole_span([], false)).toBeNull();
  });
});

describe("finer curves", () => {
  it("are asked for only where stretches hold more than a point", () => {
    expect(is_exact(curve(0, 50, 1), [10, 20])).toBe(true);
    expect(is_exact(curve(0, 50, 10), [10, 20])).toBe(false);
    expect(is_exact(curve(0, 50, 10), [900, 950])).toBe(true);
    expect(is_exact(curve(0, 50, 10, true), [10, 20])).toBe(false);
    expect(is_exact(curve(0, 50, 1, true), [10, 20])).toBe(true);
  });
  it("stand inside the coarse one, which stays until they are there", () => {
    const coarse = curve(0, 10, 10);
    expect(spliced(coarse, undefined, [25, 44])).toBe(coarse);
    const out = spliced(coarse, curve(25, 20, 1), [25, 44]);
    expect(out.x_first).toEqual([
      0,
      10,
      ...Array.from({ length: 20 }, (_, i) => 25 + i),
      50,
      60,
      70,
      80,
      90,
    ]);
    for (const column of [out.x_last, out.n, out.min, out.max, out.last])
      expect(column).toHaveLength(out.x_first.length);
    expect(out.points).toBe(coarse.points);
  });
  it("may be of nothing but NaN", () => {
    const out = spliced(curve(0, 10, 10), curve(25, 20, 1, true), [25, 44]);
    expect(out.last.filter((v) => v === null)).toHaveLength(20);
  });
});

describe("marks of the clock", () => {
  const at = new Date(2026, 5, 7, 9, 5, 3, 25).getTime();
  it("say as much as their distance asks", () => {
    expect(time_label(at, 100)).toBe("09:05:03.025");
    expect(time_label(at, 5_000)).toBe("09:05:03");
    expect(time_label(at, 60_000)).toBe("09:05");
    expect(time_label(at, 86_400_000)).toBe("06-07");
    expect(time_label(at, 31 * 86_400_000)).toBe("2026-06");
    expect(time_label(at, 366 * 86_400_000)).toBe("2026");
    expect(time_label(new Date(2026, 5, 7).getTime(), 3_600_000)).toBe("06-07");
  });
});
