import { expect, test } from "vitest";
import { kKept_ms, push_sample, type Sample, traffic_now, traffic_of, trend_of } from "./traffic";

const at = (t_ms: number, requests: Record<string, number>): Sample => ({ t_ms, requests });

test("rates and shares come from differences", () => {
  const got = traffic_of([
    at(0, { "stable:1": 100, "canary:2": 0 }),
    at(10_000, { "stable:1": 180, "canary:2": 20 }),
  ]);
  expect(got).toEqual({
    total_per_s: 10,
    arms: { "stable:1": { per_s: 8, share: 0.8 }, "canary:2": { per_s: 2, share: 0.2 } },
  });
});

test("no traffic has no shares, and one sample has no rate", () => {
  expect(traffic_of([at(0, { a: 5 })])).toEqual({ total_per_s: 0, arms: {} });
  expect(traffic_of([at(0, { a: 5 }), at(1_000, { a: 5 })]).arms.a).toEqual({
    per_s: 0,
    share: null,
  });
});

test("a counter that fell counts from zero", () => {
  expect(traffic_of([at(0, { a: 50 }), at(1_000, { a: 3 })]).total_per_s).toBe(3);
});

test("old samples go, the edge stays; the window is shorter than the trend", () => {
  let samples: Sample[] = [];
  for (let t = 0; t <= 2 * kKept_ms; t += 1_000)
    samples = push_sample(samples, at(t, { a: t < kKept_ms ? 0 : t }));
  expect(samples[0]?.t_ms).toBe(kKept_ms);
  expect(samples.at(-1)?.t_ms).toBe(2 * kKept_ms);
  expect(traffic_now(samples).total_per_s).toBe(1_000);
  expect(traffic_now([])).toEqual({ total_per_s: 0, arms: {} });
});

test("the trend has a rate for each step", () => {
  expect(trend_of([at(0, { a: 0 }), at(1_000, { a: 5 }), at(3_000, { a: 5, b: 4 })])).toEqual([
    { t_ms: 1_000, per_s: { a: 5 } },
    { t_ms: 3_000, per_s: { a: 0, b: 2 } },
  ]);
  expect(trend_of([at(0, {})])).toEqual([]);
});
