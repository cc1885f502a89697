import { describe, expect, it } from "vitest";
import { align, extent, marks_text, position, range_of, smooth, type ThinCurve } from "./curves";

const curve = (x: number[], values: (number | null)[]): ThinCurve => ({
  run_id: "r",
  key: "k",
  points: x.length,
  x_first: x,
  x_last: x,
  n: values.map((v) => (v === null ? 0 : 1)),
  min: values,
  max: values,
  last: values,
  marks: [],
});
const plain = { weight: 0, log_x: false, log_y: false, x_of: (x: number) => x };

describe("smooth", () => {
  it("starts at the first value and keeps gaps", () => {
    const out = smooth([4, null, 4, 4], 0.9);
    expect(out[0]).toBeCloseTo(4);
    expect(out[1]).toBeNull();
    expect(out[3]).toBeCloseTo(4);
  });
  it("lags behind a step and changes nothing at weight 0", () => {
    const out = smooth([0, 0, 1, 1], 0.5);
    expect(out[2]).toBeGreaterThan(0);
    expect(out[2]).toBeLessThan(1);
    expect(smooth([1, null, 3], 0)).toEqual([1, null, 3]);
  });
  it("is not poisoned by NaN", () => {
    expect(smooth([1, Number.NaN, 1], 0.5)).toEqual([1, null, 1]);
  });
});

describe("align", () => {
  it("puts curves of different steps on one axis", () => {
    const d = align([curve([0, 2], [1, 2]), curve([1, 2], [5, null])], plain);
    expect(d.x).toEqual([0, 1, 2]);
    expect(d.lines[0]).toEqual([1, undefined, 2]);
    expect(d.lines[1]).toEqual([undefined, 5, null]);
    expect(d.left_out).toBe(0);
  });
  it("counts what logarithmic axes leave out", () => {
    const d = align([curve([0, 1, 2], [1, -1, 2])], { ...plain, log_x: true, log_y: true });
    expect(d.x).toEqual([1, 2]);
    expect(d.lines[0]).toEqual([null, 2]);
    expect(d.left_out).toBe(2);
  });
  it("moves each curve to its own beginning", () => {
    const starts = [100, 200];
    const d = align([curve([100, 110], [1, 2]), curve([200], [3])], {
      ...plain,
      x_of: (x, i) => x - (starts[i] ?? 0),
    });
    expect(d.x).toEqual([0, 10]);
    expect(d.lines[1]).toEqual([3, undefined]);
  });
});

describe("words and places", () => {
  it("sums marks", () => {
    expect(marks_text([{ x: 1, nan: 2, above: 0, below: 1 }])).toBe("2 NaN, 1 −∞");
    expect(marks_text([])).toBe("");
  });
  it("extent skips gaps", () => {
    expect(extent(curve([0, 1, 2], [3, null, -1]))).toEqual([-1, 3]);
    expect(extent(curve([0], [null]))).toBeNull();
  });
  it("position on straight and logarithmic axes", () => {
    expect(position(5, [0, 10], false)).toBe(0.5);
    expect(position(10, [1, 100], true)).toBe(0.5);
    expect(position(-1, [1, 100], true)).toBeNull();
    expect(position(Number.NaN, [0, 1], false)).toBeNull();
    expect(position(3, [3, 3], false)).toBe(0.5);
  });
  it("range leaves out what has no place", () => {
    expect(range_of([0, Number.NaN, 4, 2], true)).toEqual([2, 4]);
    expect(range_of([null], false)).toBeNull();
  });
});
