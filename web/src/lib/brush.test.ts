import { describe, expect, it } from "vitest";
import {
  type Axis,
  brush_between,
  brushes_of,
  brushes_text,
  key_share,
  passes,
  share_of,
  value_at_share,
  with_brush,
} from "./brush";

const loss: Axis = { id: "metrics.val/loss, a:b", log: false, range: [0, 10] };
const lr: Axis = { id: "params.lr", log: true, range: [1e-4, 1] };

describe("brushes in an address", () => {
  it("read back, whatever an axis is called", () => {
    const all = [
      { id: loss.id, low: -1.5, high: 2e-7 },
      { id: "params.π..%", low: 3, high: 3 },
    ];
    expect(brushes_of(brushes_text(all))).toEqual(all);
    expect(brushes_text([])).toBeUndefined();
  });
  it("leave out what is none", () => {
    for (const bad of ["", "a", "a:1", "a:1..", "a:2..1", "a:NaN..1", "a:1..Infinity", "%:1..2"])
      expect(brushes_of(bad)).toEqual([]);
    expect(brushes_of("a:x..1,b:1..2")).toEqual([{ id: "b", low: 1, high: 2 }]);
    expect(brushes_of(undefined)).toEqual([]);
  });
});

describe("what passes", () => {
  const value = (all: Record<string, number | null>) => (id: string) => all[id] ?? null;
  const both = [
    { id: "a", low: 0, high: 1 },
    { id: "b", low: -1, high: -1 },
  ];
  it("lies inside on every axis, ends included", () => {
    expect(passes(both, value({ a: 1, b: -1 }))).toBe(true);
    expect(passes(both, value({ a: 1.01, b: -1 }))).toBe(false);
    expect(passes([], value({}))).toBe(true);
  });
  it("is never NaN, an infinity or missing", () => {
    const all = [{ id: "a", low: -Number.MAX_VALUE, high: Number.MAX_VALUE }];
    for (const a of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, null])
      expect(passes(all, value({ a }))).toBe(false);
    expect(passes(all, value({ a: 0 }))).toBe(true);
  });
});

describe("an axis", () => {
  it("maps shares and values to each other", () => {
    for (const axis of [loss, lr])
      for (const share of [0, 0.25, 0.5, 1])
        expect(share_of(axis, value_at_share(axis, share))).toBeCloseTo(share, 12);
    expect(value_at_share(lr, 0.5)).toBeCloseTo(0.01, 12);
    expect(value_at_share({ ...loss, range: [-1.7e308, 1.7e308] }, 0.5)).toBe(0);
    expect(share_of(loss, -5)).toBe(0);
    expect(share_of(lr, Number.NaN)).toBe(0);
  });
  it("gives brushes whose ends are its own at the ends", () => {
    const odd: Axis = { id: "x", log: false, range: [1 / 3, 2 / 3] };
    expect(brush_between(odd, 0.5, 0)?.low).toBe(1 / 3);
    expect(brush_between(odd, 0.5, 1.2)?.high).toBe(2 / 3);
    expect(brush_between(odd, 0, 1)).toBeNull();
    expect(brush_between(loss, 0.123456789, 0.2)).toEqual({ id: loss.id, low: 1.23457, high: 2 });
  });
  it("keeps one brush", () => {
    const one = with_brush([], "a", { id: "a", low: 0, high: 1 });
    expect(with_brush(one, "a", { id: "a", low: 2, high: 3 })).toEqual([
      { id: "a", low: 2, high: 3 },
    ]);
    expect(with_brush(one, "a", null)).toEqual([]);
  });
});

describe("keys", () => {
  it("move an end within the axis", () => {
    expect(key_share("ArrowUp", 0.5)).toBeCloseTo(0.52);
    expect(key_share("PageDown", 0.05)).toBe(0);
    expect(key_share("End", 0.2)).toBe(1);
    expect(key_share("Tab", 0.2)).toBeNull();
  });
});
