import { expect, test } from "vitest";
import type { TimelineSpan } from "../api/releases";
import { from_picker, lay_out, to_picker } from "./timeline";

const span = (
  kind: TimelineSpan["kind"],
  target: string,
  from_ms: number,
  to_ms?: number,
): TimelineSpan => ({ kind, n: from_ms + 1, target, version: 1, from_ms, to_ms, from_known: true });

test("bars fill the range from the first start to now", () => {
  const drawn = lay_out([span("stage", "Production", 50), span("stage", "Production", 0, 50)], 100);
  expect(drawn.lanes.map((l) => l.label)).toEqual(["Production"]);
  expect(drawn.lanes[0]?.bars.map(({ x0, x1, row, open }) => [x0, x1, row, open])).toEqual([
    [0, 0.5, 0, false],
    [0.5, 1, 0, true],
  ]);
  expect(lay_out([], 100).lanes).toEqual([]);
  expect(lay_out([span("alias", "@a", 100)], 100).lanes[0]?.bars[0]?.x1).toBe(0);
});

test("stages come before aliases before policies, and what overlaps lies side by side", () => {
  const drawn = lay_out(
    [
      span("policy", "Production", 0),
      span("alias", "@a", 5),
      span("stage", "Staging", 0, 20),
      span("stage", "Staging", 10, 30),
      span("stage", "Staging", 20),
    ],
    40,
  );
  expect(drawn.lanes.map((l) => [l.label, l.rows])).toEqual([
    ["Staging", 2],
    ["@a", 1],
    ["policy Production", 1],
  ]);
  expect(drawn.lanes[0]?.bars.map((b) => b.row)).toEqual([0, 1, 0]);
});

test("the picker's second ends with its last millisecond", () => {
  expect(from_picker("")).toBeUndefined();
  expect(from_picker("nonsense")).toBeUndefined();
  const noon = new Date(2026, 10, 23, 12, 0, 7, 250).getTime();
  expect(to_picker(noon)).toBe("2026-11-23T12:00:07");
  expect(from_picker(to_picker(noon))).toBe(noon - 250 + 999);
  expect(to_picker(undefined)).toBe("");
});
