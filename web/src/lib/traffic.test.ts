import { expect, test } from "vitest";
import { kWindow_ms, push_sample, type Sample, traffic_of } from "./traffic";

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

test("old samples go, the window's edge stays", () => {
  let samples: Sample[] = [];
  for (let t = 0; t <= 2 * kWindow_ms; t += 1_000) samples = push_sample(samples, at(t, {}));
  expect(samples[0]?.t_ms).toBe(kWindow_ms);
  expect(samples.at(-1)?.t_ms).toBe(2 * kWindow_ms);
});
